import type { Runtime } from '@samtrack/kernels';

/**
 * Floating-point operations of the products, convolutions and attentions that some work launches anew, two for each
 * multiply-add; what is replayed is not seen.
 */
export async function countFlops<T>(
  { tuning }: Pick<Runtime, 'tuning'>,
  work: () => Promise<T>,
): Promise<{ flops: number; result: T }> {
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
