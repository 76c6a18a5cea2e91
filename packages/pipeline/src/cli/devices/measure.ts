import type { Engine } from '@samtrack/kernels';

/** An engine as people see it. */
export interface EngineReport {
  device?: string;
  /** Of the CPU. */
  threads?: number;
  /** Arithmetic in matrix products, 10^9 a second, where it was measured. */
  gflops?: number;
  /** Why there is none. */
  missing?: string;
}

const SIDE = 1024;
/** Products are repeated for so long. */
const MEASURE_MS = 500;

/** How fast an engine multiplies large matrices, in 10^9 multiplications and additions a second; the fastest product counts. */
export async function measureSpeed(engine: Engine): Promise<number> {
  const [a, b] = [engine.allocate([SIDE, SIDE]), engine.allocate([SIDE, SIDE])];
  const values = Float32Array.from({ length: SIDE * SIDE }, (_, i) => ((i * 7919) % 1000) / 1000 - 0.5);
  for (const matrix of [a, b]) engine.write(matrix, values);
  const multiply = async () => {
    const start = performance.now();
    const product = engine.ops.gemm(a, b);
    await engine.finish();
    const milliseconds = performance.now() - start;
    product.dispose();
    return milliseconds;
  };
  try {
    // The first one compiles.
    await multiply();
    let fastest = Number.POSITIVE_INFINITY;
    const end = performance.now() + MEASURE_MS;
    do fastest = Math.min(fastest, await multiply());
    while (performance.now() < end);
    return (2 * SIDE ** 3) / fastest / 1e6;
  } finally {
    a.dispose();
    b.dispose();
  }
}
