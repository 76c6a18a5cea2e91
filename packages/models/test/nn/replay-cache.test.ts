import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { add, memory, mul, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { ReplayCache } from '../../src/nn/replay-cache.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterEach(() => expect(memory().numTensors).toBe(0));
afterAll(() => shutdown(runtime));

const floats = async (t: Tensor) => [...new Float32Array(await runtime.read(t))];

/** Two stages, of which the second needs results of the first: (x + c) * x + y. Counts how often each is recorded. */
class Model {
  recorded = [0, 0];
  constructor(readonly passes: ReplayCache) {}

  async run(size: number, value: number, between?: () => Promise<void> | void): Promise<number> {
    const shape = this.passes.at(String(size));
    const c = shape.constant('c', () => tensor(new Float32Array(size).fill(10)));
    const [x, y] = [value, 2 * value].map((v) => tensor(new Float32Array(size).fill(v))) as [Tensor, Tensor];
    const pass = shape.begin('run');
    try {
      const first = pass.stage('first', { x }, (inputs) => {
        this.recorded[0]!++;
        return { product: mul(add(inputs.x, c), inputs.x) };
      });
      await between?.();
      const second = pass.stage('second', { y, none: undefined }, (inputs) => {
        this.recorded[1]!++;
        return add(first.product, inputs.y);
      });
      const taken = pass.take(second);
      const [result] = await floats(taken);
      taken.dispose();
      return result!;
    } finally {
      pass.end();
      x.dispose();
      y.dispose();
    }
  }
}
const expected = (value: number) => (value + 10) * value + 2 * value;

it('records a pass twice, the second time for good', async () => {
  const model = new Model(new ReplayCache({ enabled: true, shapes: 2 }));
  for (let i = 1; i <= 5; i++) expect(await model.run(2000, i)).toBe(expected(i));
  expect(model.recorded).toEqual([2, 2]);
  model.passes.dispose();
});

it('records every pass where it is told not to replay', async () => {
  const model = new Model(new ReplayCache({ enabled: false, shapes: 2 }));
  for (let i = 1; i <= 5; i++) expect(await model.run(2000, i)).toBe(expected(i));
  expect(model.recorded).toEqual([5, 5]);
  model.passes.dispose();
});

it('captures each stage when it is first reached', async () => {
  const model = new Model(new ReplayCache({ enabled: true, shapes: 2 }));
  const stop = () => {
    throw new Error('stop');
  };
  for (let i = 0; i < 3; i++) await expect(model.run(2000, 1, stop)).rejects.toThrow('stop');
  expect(model.recorded).toEqual([2, 0]);
  for (let i = 1; i <= 3; i++) expect(await model.run(2000, i)).toBe(expected(i));
  expect(model.recorded).toEqual([2, 1]);
  model.passes.dispose();
});

it('runs a pass plainly while another one is replayed', async () => {
  const model = new Model(new ReplayCache({ enabled: true, shapes: 2 }));
  for (let i = 1; i <= 3; i++) await model.run(2000, i);
  let inner = 0;
  const outer = await model.run(2000, 4, async () => {
    inner = await model.run(2000, 5);
  });
  expect([outer, inner]).toEqual([expected(4), expected(5)]);
  expect(model.recorded).toEqual([3, 3]);
  model.passes.dispose();
});

it('forgets shapes that were not used for longest, but not under the feet of a pass', async () => {
  const model = new Model(new ReplayCache({ enabled: true, shapes: 1 }));
  for (let i = 1; i <= 3; i++) expect(await model.run(2000, i)).toBe(expected(i));
  const during = await model.run(2000, 4, async () => {
    for (let i = 1; i <= 3; i++) expect(await model.run(3000, i)).toBe(expected(i));
  });
  expect(during).toBe(expected(4));
  const held = memory().numTensors;
  for (let i = 1; i <= 3; i++) expect(await model.run(2000, i)).toBe(expected(i));
  expect(memory().numTensors).toBe(held);
  model.passes.dispose();
});

it('fails a replayed pass whose model is disposed meanwhile', async () => {
  const model = new Model(new ReplayCache({ enabled: true, shapes: 1 }));
  for (let i = 1; i <= 3; i++) await model.run(2000, i);
  await expect(model.run(2000, 4, () => model.passes.dispose())).rejects.toThrow('disposed');
});
