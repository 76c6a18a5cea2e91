import { fusedOps, initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { add, dispose, fill, memory, mul, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Replay, type ReplayOptions } from '../../src/nn/replay.js';

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
  constructor(readonly passes: Replay) {}

  async run(size: number, value: number, between?: () => Promise<void> | void): Promise<number> {
    const shape = this.passes.at(String(size));
    const c = shape.constant('c', () => tensor(new Float32Array(size).fill(10)));
    const [x, y] = [value, 2 * value].map((v) => tensor(new Float32Array(size).fill(v))) as [Tensor, Tensor];
    const pass = shape.begin();
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
  const model = new Model(new Replay({ ops: fusedOps, replay: true, shapes: 2 }));
  for (let i = 1; i <= 5; i++) expect(await model.run(2000, i)).toBe(expected(i));
  expect(model.recorded).toEqual([2, 2]);
  model.passes.dispose();
});

it('records every pass where it is told not to replay', async () => {
  const model = new Model(new Replay({ ops: fusedOps, replay: false, shapes: 2 }));
  for (let i = 1; i <= 5; i++) expect(await model.run(2000, i)).toBe(expected(i));
  expect(model.recorded).toEqual([5, 5]);
  model.passes.dispose();
});

it('runs each stage as it is when it is first reached', async () => {
  const model = new Model(new Replay({ ops: fusedOps, replay: true, shapes: 2 }));
  const stop = () => {
    throw new Error('stop');
  };
  for (let i = 0; i < 3; i++) await expect(model.run(2000, 1, stop)).rejects.toThrow('stop');
  expect(model.recorded).toEqual([2, 0]);
  for (let i = 1; i <= 3; i++) expect(await model.run(2000, i)).toBe(expected(i));
  expect(model.recorded).toEqual([2, 2]);
  model.passes.dispose();
});

it('runs a pass plainly while another one is replayed', async () => {
  const model = new Model(new Replay({ ops: fusedOps, replay: true, shapes: 2 }));
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
  const model = new Model(new Replay({ ops: fusedOps, replay: true, shapes: 1 }));
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
  const model = new Model(new Replay({ ops: fusedOps, replay: true, shapes: 1 }));
  for (let i = 1; i <= 3; i++) await model.run(2000, i);
  await expect(model.run(2000, 4, () => model.passes.dispose())).rejects.toThrow('disposed');
});

/** Twice its input, on passes that all have one kind. Counts how often it is recorded. */
class Doubling {
  recorded = 0;
  readonly #replay: Replay;
  constructor(options: Partial<ReplayOptions> = {}) {
    this.#replay = new Replay({ ops: fusedOps, replay: true, shapes: 1, ...options });
  }

  async run(shape: number[], value: number, dtype: 'float32' | 'int32' = 'float32', statics?: string) {
    const x = fill(shape, value, dtype);
    const double = (inputs: { x: Tensor }) => {
      this.recorded++;
      return { twice: add(inputs.x, inputs.x) };
    };
    const { twice } = this.#replay.at('one').call({ x }, double, { statics });
    const [result] = await twice.data();
    dispose([x, twice]);
    return result;
  }

  dispose(): void {
    this.#replay.dispose();
  }
}

it('captures a function for the shapes and types of its inputs, and for what else is said', async () => {
  const doubling = new Doubling();
  const kinds = [
    [[2000], 'float32'],
    [[40, 50], 'float32'],
    [[2000], 'int32'],
    [[2000], 'float32', 'else'],
  ] as const;
  for (const value of [1, 2, 3, 4]) {
    for (const [shape, dtype, statics] of kinds) {
      expect(await doubling.run([...shape], value, dtype, statics)).toBe(2 * value);
    }
  }
  expect(doubling.recorded).toBe(2 * kinds.length);
  doubling.dispose();
});

it('is bounded: more kinds of passes than it keeps start over', async () => {
  const doubling = new Doubling({ passes: 2 });
  const sizes = [1000, 2000, 3000];
  for (const size of [...sizes, ...sizes]) expect(await doubling.run([size], 1)).toBe(2);
  expect(doubling.recorded).toBe(6);
  const { numTensors } = memory();
  for (const size of [...sizes, ...sizes]) await doubling.run([size], 1);
  expect(memory().numTensors).toBe(numTensors);
  doubling.dispose();
});

it('captures the first pass of what goes on for long, and gives its memory to the next', async () => {
  const doubling = new Doubling({ passes: 1 });
  for (let i = 1; i <= 3; i++) expect(await doubling.run([2000], i)).toBe(2 * i);
  expect(doubling.recorded).toBe(1);
  const { usedBytes } = runtime.memory();
  for (let i = 1; i <= 3; i++) expect(await doubling.run([2000], i, 'float32', `memory of ${i}`)).toBe(2 * i);
  expect(doubling.recorded).toBe(4);
  expect(runtime.memory().usedBytes).toBe(usedBytes);
  doubling.dispose();
});

it('repeats a stage without results within a pass', async () => {
  const replay = new Replay({ ops: fusedOps, replay: true, shapes: 1, passes: 1 });
  const state = runtime.allocate([2000]);
  runtime.write(state, new Float32Array(2000).fill(1));
  let recorded = 0;
  for (let frame = 0; frame < 3; frame++) {
    const pass = replay.at('frame').begin();
    const twice = pass.stage('propagate', {}, () => add(state, state));
    for (let i = 0; i < 2; i++) {
      pass.stage('update', {}, () => {
        recorded++;
        runtime.copy(twice, state);
      });
    }
    pass.end();
  }
  expect(await floats(state)).toEqual(new Array(2000).fill(8));
  expect(recorded).toBe(1);
  replay.dispose();
  state.dispose();
});
