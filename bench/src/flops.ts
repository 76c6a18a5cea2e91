import type { Runtime } from '@samtrack/kernels';
import { tuningOf } from '@samtrack/kernels/tuning';

/**
 * Floating-point operations of the products, convolutions and attentions that some work launches anew, two for each
 * multiply-add; what is replayed is not seen.
 */
export async function countFlops<T>(runtime: Runtime, work: () => Promise<T>): Promise<{ flops: number; result: T }> {
  const tuning = tuningOf(runtime);
  let flops = 0;
  tuning.observe(({ op, shape }) => {
    flops += op.work(shape as never).flops;
  });
  try {
    const result = await work();
    return { flops, result };
  } finally {
    tuning.observe(undefined);
  }
}
