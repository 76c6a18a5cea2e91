import { add, concat, dispose, memory, relu, slice, sum, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineKernel, type Runtime } from '../index.js';
import { initialize, shutdown } from '../initialize.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

const stepKernel = defineKernel({
  name: 'test/graph-step',
  template: `
struct Params { n: u32, shift: f32 }
@group(0) @binding(auto) var<storage, read> x: array<f32>;
@group(0) @binding(auto) var<storage, read> w: array<f32>;
@group(0) @binding(auto) var<storage, read_write> out: array<f32>;
@group(0) @binding(auto) var<uniform> params: Params;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.n) {
    out[id.x] = x[id.x] * w[id.x] + params.shift;
  }
}`,
});

/** out = x * w + shift. */
function step(x: Tensor, w: Tensor, shift: number): Tensor {
  const out = runtime.allocate(x.shape);
  runtime.launch(stepKernel, { tensors: { x, w, out }, uniforms: { n: x.size, shift }, invocations: x.size });
  return out;
}

/** A little network: 20 steps with early disposal, a copy into a state and a tensor of the CPU as a weight. */
function network(x: Tensor, w: Tensor, state: Tensor): Tensor {
  let t = step(x, w, 1);
  for (let i = 0; i < 20; i++) {
    const next = step(t, w, i);
    t.dispose();
    t = next;
  }
  runtime.copy(t, state);
  return step(state, w, -1);
}

const random = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898 + seed) * 1.02);
const N = 333;
const floats = async (t: Tensor) => [...new Float32Array(await runtime.read(t))];
async function buffers() {
  await runtime.finish();
  return { ...runtime.memory(), tensors: memory().numTensors, data: memory().numDataBuffers };
}

describe('capture and replay', () => {
  it('a replay equals a direct run, also with new inputs', async () => {
    const x = tensor(random(N, 1));
    const w = tensor(random(N, 2));
    const state = runtime.allocate([N]);
    const graph = runtime.capture(() => network(x, w, state));
    for (const seed of [3, 4, 5]) {
      runtime.write(x, random(N, seed));
      graph.replay();
      const replayed = await floats(graph.result);
      const direct = tidy(() => network(x, w, state));
      expect(replayed).toEqual(await floats(direct));
      expect(replayed.some((v) => v !== 0)).toBe(true);
      direct.dispose();
    }
    graph.dispose();
    dispose([x, w, state]);
  });

  it('the capture itself computes the first result', async () => {
    const x = tensor(random(N, 1));
    const w = tensor(random(N, 2));
    const graph = runtime.capture(() => step(x, w, 0.5));
    const [xs, ws] = [random(N, 1), random(N, 2)];
    const result = await floats(graph.result);
    for (let i = 0; i < N; i++) expect(result[i]).toBeCloseTo(xs[i]! * ws[i]! + 0.5, 5);
    graph.dispose();
    dispose([x, w]);
  });

  it('memory is flat over 300 replays and as before after dispose', async () => {
    const x = tensor(random(N, 1));
    const w = tensor(random(N, 2));
    const state = runtime.allocate([N]);
    dispose(tidy(() => network(x, w, state)));
    const before = await buffers();
    const graph = runtime.capture(() => network(x, w, state));
    const captured = await buffers();
    expect(captured.tensors).toBe(before.tensors + 1);
    expect(captured.allocatedBytes - before.allocatedBytes).toBe(graph.bytes);
    // Early disposal during the capture: 22 tensors live in a handful of buffers.
    expect(graph.bytes).toBeLessThanOrEqual(4 * N * 4);
    for (let i = 0; i < 300; i++) {
      runtime.write(x, random(N, i));
      graph.replay();
      if (i % 100 === 99) expect(await buffers()).toEqual(captured);
    }
    graph.dispose();
    graph.dispose();
    expect(await buffers()).toEqual(before);
    expect(() => graph.replay()).toThrow('disposed');
    dispose([x, w, state]);
  });

  it('interleaves with direct launches and stock operations', async () => {
    const x = tensor(new Float32Array(2000).fill(1));
    const w = tensor(new Float32Array(2000).fill(2));
    const graph = runtime.capture(() => step(x, w, 1));
    const results: Tensor[] = [];
    for (let i = 0; i < 3; i++) {
      runtime.write(x, new Float32Array(2000).fill(i));
      graph.replay();
      results.push(add(step(graph.result, w, 0), 100));
    }
    for (const [i, t] of results.entries()) expect((await floats(t))[1999]).toBe((i * 2 + 1) * 2 + 100);
    graph.dispose();
    await buffers();
    dispose([x, w, ...results]);
  });

  it("repeats tfjs's own operations among the launches", async () => {
    const x = tensor(random(2000, 1));
    const w = tensor(random(2000, 2));
    const work = () => {
      // More of them than tfjs submits at a time, with uniforms of their own, and some on tensors of the graph.
      let t: Tensor = add(x, w);
      for (let i = 0; i < 20; i++) t = i % 2 ? step(t, w, i) : slice(concat([relu(t), x]), [i], [2000]);
      return { t, sum: sum(t) };
    };
    dispose(tidy(() => Object.values(work())));
    const before = await buffers();
    const graph = runtime.capture(work);
    for (const seed of [1, 3, 4]) {
      runtime.write(x, random(2000, seed));
      graph.replay();
      // Would be overwritten if the graph's uniforms were given back.
      const other = tidy(() => [1, 2, 3].map((i) => slice(concat([x, w]), [i], [100])));
      graph.replay();
      const direct = tidy(work);
      expect(await floats(graph.result.t)).toEqual(await floats(direct.t));
      expect(await floats(graph.result.sum)).toEqual(await floats(direct.sum));
      dispose([direct.t, direct.sum, ...other]);
    }
    expect(graph.steps.filter(({ name }) => name.startsWith('tfjs/')).length).toBeGreaterThan(30);
    graph.dispose();
    runtime.trim();
    expect(await buffers()).toMatchObject({ usedBytes: before.usedBytes, tensors: before.tensors, data: before.data });
    dispose([x, w]);
  });

  it('refuses constants that nobody keeps and a capture within a capture, and is usable afterwards', async () => {
    const x = tensor(random(2000, 1));
    const w = tensor(random(2000, 2));
    dispose(tidy(() => step(x, w, 0)));
    const before = await buffers();
    expect(() => runtime.capture(() => step(x, tensor(random(2000, 2)), 0))).toThrow('made from values');
    expect(() => runtime.capture(() => add(x, tensor(random(2000, 2))))).toThrow('made from values');
    expect(() => runtime.capture(() => runtime.capture(() => step(x, w, 0)).result)).toThrow('already being captured');
    expect(() =>
      runtime.capture(() => {
        add(step(x, w, 0), x);
        throw new Error('in the midst');
      }),
    ).toThrow('in the midst');
    runtime.trim();
    const { allocatedBytes: _, ...used } = await buffers();
    expect(before).toMatchObject(used);
    const both = add(x, w);
    const graph = runtime.capture(() => step(x, w, 0));
    graph.replay();
    expect((await floats(graph.result))[1]).toBeCloseTo(random(2000, 1)[1]! * random(2000, 2)[1]!, 5);
    graph.dispose();
    dispose([x, w, both]);
  });

  it('graphs of one pool share all but their results', async () => {
    const x = tensor(random(N, 1));
    const w = tensor(random(N, 2));
    const state = runtime.allocate([N]);
    dispose(tidy(() => [network(x, w, state), step(x, w, 3)]));
    const before = await buffers();
    const pool = runtime.graphPool();
    const first = runtime.capture(() => network(x, w, state), pool);
    const { bytes } = pool;
    const second = runtime.capture(() => step(network(x, w, state), w, 3), pool);
    // One for the result that the first graph keeps, one for what both keep to the end.
    expect(pool.bytes - bytes).toBeLessThanOrEqual(2 * 4 * N);
    for (const seed of [3, 4]) {
      runtime.write(x, random(N, seed));
      first.replay();
      second.replay();
      const direct = tidy(() => [network(x, w, state), step(network(x, w, state), w, 3)]);
      expect(await floats(first.result)).toEqual(await floats(direct[0]!));
      expect(await floats(second.result)).toEqual(await floats(direct[1]!));
      dispose(direct);
    }
    expect(() =>
      runtime.capture(() => {
        step(x, w, 0);
        throw new Error('in the midst');
      }, pool),
    ).toThrow('in the midst');
    first.dispose();
    second.replay();
    const direct = tidy(() => step(network(x, w, state), w, 3));
    expect(await floats(second.result)).toEqual(await floats(direct));
    second.dispose();
    pool.dispose();
    direct.dispose();
    const { allocatedBytes: _, ...used } = await buffers();
    expect(before).toMatchObject(used);
    dispose([x, w, state]);
  });

  it('weights uploaded during a capture survive the graph', async () => {
    const x = tensor(random(N, 1));
    const w = tensor(random(N, 2));
    const copied = tensor(random(N, 3));
    const state = runtime.allocate([N]);
    const graph = runtime.capture(() => {
      runtime.copy(copied, state);
      return step(x, w, 0);
    });
    const result = await floats(graph.result);
    graph.dispose();
    // Buffers that the disposal freed wrongly would be handed out and overwritten here.
    const fill = [1, 2, 3, 4].map(() => step(x, x, 9));
    expect(await floats(w)).toEqual([...random(N, 2)]);
    expect(await floats(copied)).toEqual([...random(N, 3)]);
    const again = step(x, w, 0);
    expect(await floats(again)).toEqual(result);
    dispose([x, w, copied, state, again, ...fill]);
  });

  it('a temporary that is copied and disposed within the capture returns to the pool of the graph', async () => {
    const x = tensor(random(N, 1));
    const state = runtime.allocate([N]);
    dispose(step(x, x, 0));
    const before = await buffers();
    const graph = runtime.capture(() => {
      const t = step(x, x, 2);
      runtime.copy(t, state);
      t.dispose();
    });
    await runtime.finish();
    expect(graph.bytes).toBe(4 * N);
    runtime.write(x, new Float32Array(N));
    graph.replay();
    expect((await floats(state)).every((v) => v === 2)).toBe(true);
    graph.dispose();
    expect(await buffers()).toEqual(before);
    dispose([x, state]);
  });

  it('a graph uses the buffers of those before it in its pool', async () => {
    const x = tensor(random(N, 1));
    const w = tensor(random(N, 2));
    const state = runtime.allocate([N]);
    const pool = runtime.graphPool();
    let graph = runtime.capture(() => network(x, w, state), pool);
    const { bytes } = pool;
    const captured = await buffers();
    for (let i = 0; i < 5; i++) {
      graph.dispose();
      expect(() => graph.replay()).toThrow('disposed');
      graph = runtime.capture(() => network(x, w, state), pool);
      expect(pool.bytes).toBe(bytes);
      expect(await buffers()).toEqual(captured);
    }
    graph.replay();
    const replayed = await floats(graph.result);
    const direct = tidy(() => network(x, w, state));
    expect(replayed).toEqual(await floats(direct));
    graph.dispose();
    pool.dispose();
    dispose([x, w, state, direct]);
  });

  it('is timed like direct launches', async ({ skip }) => {
    if (!runtime.device.features.has('timestamp-query')) skip('no timestamp-query here');
    const x = tensor(random(N, 1));
    const graph = runtime.capture(() => step(step(x, x, 1), x, 2));
    const times = await runtime.profile(() => graph.replay());
    expect(times.map((t) => t.name)).toEqual(['test/graph-step', 'test/graph-step']);
    graph.dispose();
    x.dispose();
  });

  it('costs a few microseconds of CPU time a dispatch', async () => {
    const x = tensor(random(64, 1));
    const w = tensor(random(64, 2));
    const dispatches = 600;
    const graph = runtime.capture(() => {
      let t = step(x, w, 0);
      for (let i = 1; i < dispatches; i++) {
        const next = step(t, w, i % 7);
        t.dispose();
        t = next;
      }
      return t;
    });
    expect(graph.steps.length).toBe(dispatches);
    await runtime.finish();
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 20; i++) {
      const start = performance.now();
      graph.replay();
      best = Math.min(best, performance.now() - start);
      await runtime.finish();
    }
    const microseconds = (best / dispatches) * 1000;
    console.info(`replay: ${microseconds.toFixed(2)} us of CPU time a dispatch`);
    // 3 us on an idle desktop CPU; the rest is room for a busy one.
    expect(microseconds).toBeLessThan(30);
    graph.dispose();
    dispose([x, w]);
  });
});
