import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dispose, memory, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { defineKernel } from '../dispatch/kernel.js';
import type { Runtime } from '../dispatch/runtime.js';
import { initialize, shutdown } from '../initialize.js';
import { float32 } from '../op/arguments.js';
import { defineOp } from '../op/define.js';
import { randomValues } from '../ops/case.js';
import { gemm } from '../ops/gemm/index.js';
import { multiHeadAttention } from '../ops/multi-head-attention/index.js';
import type { Clock } from './clock.js';
import { FileTuningStore } from './node/store.js';
import { TuningTable } from './table.js';
import { type TuneProgress, tune } from './tune.js';
import { tuningOf } from './tuning.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));
beforeEach(() => tuningOf(runtime).use(new TuningTable(tuningOf(runtime).table.adapter)));

/** Kernels take what is said here, in milliseconds; others take long. */
const fakeClock =
  (times: Record<string, number>): Clock =>
  async (_, kernels) => {
    for (const { run } of kernels) run();
    return kernels.map(({ variant }) => times[variant] ?? 1e6);
  };

const random = (...shape: number[]): Tensor => tensor(randomValues(shape.reduce((a, b) => a * b, 1)), shape);

/** Two small matrix products, one of them twice, and an attention. */
function work(): void {
  const [a, b, c] = [random(24, 32), random(32, 16), random(32, 48)];
  dispose([gemm(a, b), gemm(a, b, { activation: 'relu' }), gemm(a, c), multiHeadAttention(a, a, a, { heads: 2 })]);
  dispose([a, b, c]);
}

/** Names of the programs that something launches. */
function launched(something: () => void): string[] {
  const spy = vi.spyOn(runtime, 'launch');
  something();
  const names = spy.mock.calls.map(([kernel]) => kernel.name);
  spy.mockRestore();
  return names;
}

describe('tune', () => {
  it('finds the fastest kernels of what some work uses, and uses them', async () => {
    const before = launched(work);
    const progress: TuneProgress[] = [];
    const tensors = memory().numTensors;
    const clock = fakeClock({ tiled: 1000, direct: 2000, 'vector-32x32': 1001 });
    const result = await tune(runtime, work, { clock, onProgress: (step) => progress.push(step) });
    expect(memory().numTensors).toBe(tensors);
    expect(result).toMatchObject({ stopped: 'complete', remaining: 0, known: 0 });
    expect(result.ceilings.flopsPerSecond).toBeGreaterThan(0);
    expect(result.ceilings.bytesPerSecond).toBeGreaterThan(0);
    const found = Object.fromEntries(
      result.shapes.map(({ op, shape, variant, calls }) => [`${op} ${shape}`, [variant, calls]]),
    );
    expect(found).toEqual({
      'gemm batch=1 m=24 n=16 k=32 aligned': ['tiled', 2],
      'gemm batch=1 m=24 n=48 k=32 aligned': ['tiled', 1],
      'multi-head-attention batch=1 heads=2 queries=24 keys=24 headSize=16': ['direct', 1],
    });
    for (const { excluded, milliseconds, selected } of result.shapes) {
      expect(excluded).toEqual({});
      expect(Object.keys(milliseconds)).toContain(selected);
    }
    expect(progress.map(({ done, total }) => `${done}/${total}`)).toEqual(['1/3', '2/3', '3/3']);
    expect(launched(work)).toEqual(['gemm/tiled', 'gemm/tiled', 'gemm/tiled', 'multi-head-attention/direct']);
    expect(before).not.toEqual(launched(work));

    const again = await tune(runtime, work, { clock });
    expect(again).toMatchObject({ shapes: [], known: 3, stopped: 'complete' });
  });

  it('gives the same numbers whichever kernel computes them, up to rounding', async () => {
    const [a, b] = [random(24, 32), random(32, 16)];
    const values = async () => {
      const product = gemm(a, b);
      const data = new Float32Array(await runtime.read(product));
      product.dispose();
      return data;
    };
    const before = await values();
    await tune(runtime, work, { clock: fakeClock({ tiled: 1 }) });
    for (const [i, value] of (await values()).entries()) expect(value).toBeCloseTo(before[i]!, 5);
    dispose([a, b]);
  });

  it('keeps the default where others gain next to nothing', async () => {
    const before = launched(work);
    const clock: Clock = async (_, kernels) => kernels.map((_kernel, i) => 1e6 - 5000 * i);
    const { shapes } = await tune(runtime, work, { clock });
    for (const { variant, selected } of shapes) expect(variant).toBe(selected);
    expect(launched(work)).toEqual(before);
  });

  it('looks no further where the default is near the ceiling', async () => {
    const fast: Clock = async (_, kernels) => kernels.map(() => 1e-9);
    for (const { milliseconds, share, selected } of (await tune(runtime, work, { clock: fast })).shapes) {
      expect(Object.keys(milliseconds)).toEqual([selected]);
      expect(share).toBe(1);
    }
  });

  it('begins with what takes the most time', async () => {
    const clock: Clock = async (_, kernels) => kernels.map(() => 1e6);
    const { shapes } = await tune(runtime, work, { clock });
    expect(shapes.map(({ calls }) => calls)).toEqual([2, 1, 1]);
  });

  it('stops when told to and keeps what it has', async () => {
    const controller = new AbortController();
    const clock = fakeClock({ tiled: 1, direct: 1 });
    const onProgress = () => controller.abort();
    const result = await tune(runtime, work, { clock, signal: controller.signal, onProgress });
    expect(result).toMatchObject({ stopped: 'aborted', remaining: 2 });
    expect(tuningOf(runtime).table.size).toBe(1);
    const rest = await tune(runtime, work, { clock });
    expect(rest).toMatchObject({ stopped: 'complete', known: 1, remaining: 0 });
    expect(tuningOf(runtime).table.size).toBe(3);
  });

  it('stops when its time is over', async () => {
    const result = await tune(runtime, work, { budgetMs: 1e-6 });
    expect(result).toMatchObject({ shapes: [], stopped: 'budget', remaining: 3 });
    expect(tuningOf(runtime).table.size).toBe(0);
  });

  it('refuses options that make no sense', async () => {
    await expect(tune(runtime, work, { budgetMs: 0 })).rejects.toThrow(RangeError);
    await expect(tune(runtime, work, { enough: Number.NaN })).rejects.toThrow(RangeError);
  });

  it('passes on what the work throws, and observes no longer', async () => {
    const failing = () => {
      throw new Error('no such work');
    };
    await expect(tune(runtime, failing)).rejects.toThrow('no such work');
    expect(await tune(runtime, () => {})).toMatchObject({ shapes: [], known: 0, remaining: 0 });
  });

  it('measures real times where there is no other clock', async () => {
    const a = random(64, 64);
    const { shapes } = await tune(runtime, () => gemm(a, a).dispose(), { enough: 1 });
    a.dispose();
    expect(shapes.length).toBe(1);
    for (const time of Object.values(shapes[0]!.milliseconds)) expect(time).toBeGreaterThan(0);
  });
});

describe('kernels that are of no use', () => {
  const body: Record<string, string> = {
    right: 'y[id.x] = 2.0 * x[id.x];',
    also: 'y[id.x] = x[id.x] + x[id.x];',
    wrong: 'y[id.x] = 2.001 * x[id.x];',
    idle: 'if (x[id.x] > 4.0) { y[id.x] = 0.0; }',
    invalid: 'y[id.x] = no_such_function(x[id.x]);',
  };
  const kernels = Object.fromEntries(
    Object.entries(body).map(([variant, line]) => [
      variant,
      defineKernel({
        name: `test-double/${variant}`,
        template: `
@group(0) @binding(auto) var<storage, read> x: array<f32>;
@group(0) @binding(auto) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) { ${line} }`,
      }),
    ]),
  );
  const double = defineOp({
    name: 'test-double',
    takes: { x: float32 },
    kernels: Object.values(kernels),
    supported: (_: { n: number }): readonly string[] => [...Object.keys(body), 'throwing'],
    select: () => 'right',
    work: ({ n }) => ({ flops: n, bytes: 8 * n }),
    run(call, x: Tensor): Tensor {
      const variant = call.choose({ n: x.size });
      if (variant === 'throwing') throw new Error('it cannot do that');
      const y = call.allocate(x.shape);
      call.launch(kernels[variant]!, { tensors: { x, y }, invocations: x.size });
      return y;
    },
  });

  it('are left out, with the reason, however fast they are, and do no harm', async () => {
    const x = random(128);
    const clock = fakeClock({ right: 100, also: 50, wrong: 1, idle: 1, invalid: 1, throwing: 1 });
    const { shapes } = await tune(runtime, () => double(x).dispose(), { clock });
    expect(shapes[0]!.variant).toBe('also');
    expect(Object.keys(shapes[0]!.milliseconds).sort()).toEqual(['also', 'right']);
    expect(shapes[0]!.excluded).toEqual({
      wrong: expect.stringContaining('results differ'),
      idle: expect.stringContaining('results differ'),
      invalid: expect.stringContaining('no_such_function'),
      throwing: 'it cannot do that',
    });
    await runtime.finish();
    expect(launched(() => double(x).dispose())).toEqual(['test-double/also']);
    x.dispose();
  });
});

describe('initialize', () => {
  it('uses a store, and says why it cannot', async () => {
    await tune(runtime, work, { clock: fakeClock({ tiled: 1, direct: 1 }) });
    const { table } = tuningOf(runtime);
    shutdown(runtime);
    const folder = mkdtempSync(join(tmpdir(), 'samtrack-tune-'));
    const store = new FileTuningStore(folder);
    await store.save(table);

    runtime = await initialize({ tuning: store });
    expect(tuningOf(runtime).warning).toBeUndefined();
    expect(launched(work)).toEqual(['gemm/tiled', 'gemm/tiled', 'gemm/tiled', 'multi-head-attention/direct']);
    shutdown(runtime);

    writeFileSync(join(folder, readdirSync(folder)[0]!), '{}');
    runtime = await initialize({ tuning: store });
    expect(tuningOf(runtime).warning).toMatchObject({ name: 'TuningError', code: 'corrupt' });
    expect(tuningOf(runtime).table.size).toBe(0);
    expect(launched(work)).not.toContain('gemm/tiled');
    rmSync(folder, { recursive: true });
  });
});
