import { gemm, initialize, shutdown } from '@samtrack/kernels';
import { zeros } from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { countFlops } from '../src/flops.js';

it('counts what is launched, two for each multiply-add, and only while it counts', async () => {
  const runtime = await initialize({ backend: 'null' });
  try {
    const product = async () => gemm(zeros([8, 12]), zeros([12, 4])).shape;
    expect(await countFlops(runtime, product)).toEqual({ flops: 2 * 8 * 12 * 4, result: [8, 4] });
    const failing = countFlops(runtime, async () => {
      await product();
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await product();
    expect((await countFlops(runtime, async () => undefined)).flops).toBe(0);
  } finally {
    shutdown(runtime);
  }
});
