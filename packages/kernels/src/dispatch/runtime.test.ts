import { add, memory, mul, relu, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DeviceLostError, defineKernel, foldWorkgroups, getRuntime, KernelError, type Runtime } from '../index.js';
import { initialize, shutdown } from '../initialize.js';

/** y = x * factor + shift. */
const AFFINE = `
struct Params { n: u32, factor: f32, shift: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.n) {
    y[id.x] = x[id.x] * params.factor + params.shift;
  }
}`;

/** x += 1, in place. */
const INCREMENT = `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&x)) {
    x[id.x] += 1.0;
  }
}`;

const affineKernel = defineKernel({ name: 'test/affine', template: AFFINE });
const incrementKernel = defineKernel({ name: 'test/increment', template: INCREMENT });

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

function affineInto(y: Tensor, x: Tensor, factor: number, shift: number, rt = runtime): Tensor {
  rt.launch(affineKernel, { tensors: { x, y }, uniforms: { n: x.size, factor, shift }, invocations: x.size });
  return y;
}
const affine = (x: Tensor, factor: number, shift: number, rt = runtime) =>
  affineInto(rt.allocate(x.shape), x, factor, shift, rt);

function increment(x: Tensor, rt = runtime): Tensor {
  rt.launch(incrementKernel, { tensors: { x }, invocations: x.size });
  return x;
}
const floats = async (t: Tensor) => [...new Float32Array(await runtime.read(t))];
const ramp = (n: number) => tensor(Float32Array.from({ length: n }, (_, i) => i));

describe('launch', () => {
  it('interleaves with stock operations in order, across many submits', async () => {
    const x = ramp(2000);
    const y = tidy(() => {
      let t: Tensor = x;
      // 80 launches and 80 stock operations: longer than a batch of either.
      for (let i = 0; i < 80; i++) t = relu(affine(t, -1, i % 2));
      return mul(affine(t, 2, 1), 3);
    });
    const expected = Array.from({ length: 2000 }, (_, i) => {
      let v = i;
      for (let k = 0; k < 80; k++) v = Math.max(0, -v + (k % 2));
      return (2 * v + 1) * 3;
    });
    expect([...(await y.data())]).toEqual(expected);
    for (const t of [x, y]) t.dispose();
  });

  it('computes with tensors disposed before the submit, and does not give their buffers away too early', async () => {
    const x = ramp(1024);
    const a = affine(x, 2, 0);
    const b = affine(a, 1, 1);
    a.dispose();
    // Would take the buffer of `a` if it were free already.
    const c = affine(x, 0, 7);
    const d = affine(b, 1, 1);
    for (const t of [x, b, c]) t.dispose();
    expect((await floats(d)).slice(0, 4)).toEqual([2, 4, 6, 8]);
    d.dispose();
  });

  it('obeys tidy: nothing but the result stays', async () => {
    const x = ramp(64);
    const before = memory().numTensors;
    const y = tidy(() => affine(add(affine(x, 1, 1), 1), 1, 1));
    expect(memory().numTensors).toBe(before + 1);
    expect((await floats(y))[5]).toBe(8);
    for (const t of [x, y]) t.dispose();
  });

  it('drops the CPU copy of what it writes in place', async () => {
    const x = ramp(8);
    expect((await x.data())[3]).toBe(3);
    increment(x);
    expect((await x.data())[3]).toBe(4);
    increment(x);
    expect((await x.data())[3]).toBe(5);
    x.dispose();
  });

  it('does nothing without workgroups', () => {
    const x = ramp(4);
    const before = runtime.dispatchCount;
    runtime.launch(incrementKernel, { tensors: { x }, workgroups: [0] });
    expect(runtime.dispatchCount).toBe(before);
    x.dispose();
  });

  it('covers every index when the workgroups are folded, once', async () => {
    const count = 200_003;
    const visit = defineKernel({
      name: 'test/folded',
      template: `
struct Params { n: u32 }
@group(0) @binding(0) var<storage, read_write> visits: array<atomic<i32>>;
@group(0) @binding(1) var<uniform> params: Params;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let i = workgroup.y * workgroups.x + workgroup.x;
  if (i < params.n) {
    atomicAdd(&visits[i], 1);
  }
}`,
    });
    const visits = tensor(new Int32Array(count), [count], 'int32');
    runtime.launch(visit, { tensors: { visits }, uniforms: { n: count }, workgroups: count });
    expect(new Int32Array(await runtime.read(visits)).every((v) => v === 1)).toBe(true);
    visits.dispose();
  });
});

describe('foldWorkgroups', () => {
  it.each([
    [0, [0, 1]],
    [1, [1, 1]],
    [65535, [65535, 1]],
    [65536, [32768, 2]],
    [131071, [43691, 3]],
    [65535 * 65535, [65535, 65535]],
  ])('%i -> %j', (count, folded) => {
    const [x, y] = foldWorkgroups(count as number);
    expect([x, y]).toEqual(folded);
    expect(x * y).toBeGreaterThanOrEqual(count as number);
  });
});

describe('caches', () => {
  it('makes a pipeline, a uniform buffer and a bind group once for the same launch', async () => {
    const x = ramp(64);
    const y = runtime.allocate([64]);
    affineInto(y, x, 5, 5);
    const { device } = runtime;
    const pipelines = vi.spyOn(device, 'createComputePipeline');
    const buffers = vi.spyOn(device, 'createBuffer');
    const groups = vi.spyOn(device, 'createBindGroup');
    for (let i = 0; i < 10; i++) affineInto(y, x, 5, 5);
    expect([pipelines, buffers, groups].map((spy) => spy.mock.calls.length)).toEqual([0, 0, 0]);
    affineInto(y, x, 5, 6);
    expect([pipelines, buffers, groups].map((spy) => spy.mock.calls.length)).toEqual([0, 1, 1]);
    const z = runtime.allocate([64]);
    buffers.mockClear();
    affineInto(z, x, 5, 6);
    expect([pipelines, buffers, groups].map((spy) => spy.mock.calls.length)).toEqual([0, 0, 2]);
    expect((await floats(y))[1]).toBe(11);
    expect((await floats(z))[1]).toBe(11);
    for (const spy of [pipelines, buffers, groups]) spy.mockRestore();
    for (const t of [x, y, z]) t.dispose();
  });

  it('stays right when there were more uniforms than it keeps', async () => {
    const x = tensor(new Float32Array([1]));
    const y = runtime.allocate([1]);
    for (let i = 0; i < 4200; i++) affineInto(y, x, i, 1);
    affineInto(y, x, 3, 1);
    expect(await floats(y)).toEqual([4]);
    for (const t of [x, y]) t.dispose();
  });
});

describe('write, read, copy, trim', () => {
  it('write replaces the contents for what is recorded later, not for what was before', async () => {
    const x = ramp(4);
    const before = affine(x, 1, 0);
    runtime.write(x, new Float32Array([9, 8, 7, 6]));
    const after = affine(x, 1, 0);
    expect(await floats(before)).toEqual([0, 1, 2, 3]);
    expect(await floats(after)).toEqual([9, 8, 7, 6]);
    expect([...(await x.data())]).toEqual([9, 8, 7, 6]);
    expect(() => runtime.write(x, new Float32Array(5))).toThrow('20 bytes into 16');
    for (const t of [x, before, after]) t.dispose();
  });

  it('read sees every change of a tensor, keeps no CPU copy, and may overlap with others', async () => {
    const x = ramp(4);
    const reads = [];
    for (let i = 0; i < 5; i++) {
      reads.push(floats(x));
      increment(x);
    }
    expect((await Promise.all(reads)).map((r) => r[0])).toEqual([0, 1, 2, 3, 4]);
    expect((await x.data())[0]).toBe(5);
    x.dispose();
  });

  it('copies between tensors, also from one that tfjs keeps on the CPU', async () => {
    const x = ramp(6);
    const y = runtime.allocate([2, 3]);
    runtime.copy(x, y);
    const z = affine(y, 2, 0);
    expect(await floats(z)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(() => runtime.copy(x, tensor([1]))).toThrow('24 bytes into 4');
    for (const t of [x, y, z]) t.dispose();
  });

  it('releases a copied tensor that is disposed right away', async () => {
    const target = runtime.allocate([1000]);
    await runtime.finish();
    const { usedBytes } = runtime.memory();
    const x = tensor(new Float32Array(1000).fill(3));
    runtime.copy(x, target);
    x.dispose();
    await runtime.finish();
    expect(runtime.memory().usedBytes).toBe(usedBytes);
    expect((await floats(target))[999]).toBe(3);
    target.dispose();
  });

  it('keeps read-back buffers of a few sizes only, and none after trim', async () => {
    const alive = new Set<GPUBuffer>();
    const create = runtime.device.createBuffer.bind(runtime.device);
    const spy = vi.spyOn(runtime.device, 'createBuffer').mockImplementation((descriptor) => {
      const buffer = create(descriptor);
      if (descriptor.usage & GPUBufferUsage.MAP_READ) {
        alive.add(buffer);
        const destroy = buffer.destroy.bind(buffer);
        buffer.destroy = () => {
          alive.delete(buffer);
          return destroy();
        };
      }
      return buffer;
    });
    try {
      for (let n = 1; n <= 100; n++) {
        const x = ramp(n);
        expect(await floats(x)).toHaveLength(n);
        expect(await floats(x)).toHaveLength(n);
        x.dispose();
      }
      expect(alive.size).toBeGreaterThan(0);
      expect(alive.size).toBeLessThanOrEqual(32);
      runtime.trim();
      expect(alive.size).toBe(0);
      const x = ramp(9);
      expect(await floats(x)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
      x.dispose();
    } finally {
      spy.mockRestore();
    }
  });

  it('trim gives pooled buffers back and later launches still work', async () => {
    const x = ramp(5000);
    for (let i = 1; i <= 3; i++) affine(x, i, 0).dispose();
    await runtime.finish();
    const before = runtime.memory();
    const freed = runtime.trim();
    expect(freed).toBeGreaterThanOrEqual(20000);
    expect(runtime.memory()).toEqual({ usedBytes: before.usedBytes, allocatedBytes: before.allocatedBytes - freed });
    const y = affine(x, 1, 1);
    expect((await floats(y))[4999]).toBe(5000);
    for (const t of [x, y]) t.dispose();
  });

  it('uses large buffers again as soon as they are disposed', async () => {
    runtime.trim();
    const before = runtime.memory().allocatedBytes;
    const bytes = 8 * 2 ** 20;
    let x = runtime.allocate([bytes / 4]);
    for (let i = 0; i < 10; i++) {
      const next = affineInto(runtime.allocate([bytes / 4]), x, 1, 1);
      x.dispose();
      x = next;
    }
    await runtime.finish();
    expect(runtime.memory().allocatedBytes - before).toBeLessThanOrEqual(3 * bytes);
    x.dispose();
    runtime.trim();
  });

  it('an empty tensor needs no buffer', () => {
    const t = runtime.allocate([0, 4]);
    expect(t.shape).toEqual([0, 4]);
    t.dispose();
  });
});

describe('profile', () => {
  it('times every dispatch by name', async ({ skip }) => {
    if (!runtime.device.features.has('timestamp-query')) skip('no timestamp-query here');
    const x = ramp(100_000);
    const out: Tensor[] = [];
    const times = await runtime.profile(() => {
      out.push(affine(x, 2, 0), affine(x, 3, 0));
      increment(out[0]!);
    });
    expect(times.map((t) => t.name)).toEqual(['test/affine', 'test/affine', 'test/increment']);
    for (const { milliseconds } of times) {
      expect(milliseconds).toBeGreaterThanOrEqual(0);
      expect(milliseconds).toBeLessThan(10_000);
    }
    expect(times.some((t) => t.milliseconds > 0)).toBe(true);
    expect((await floats(out[0]!))[10]).toBe(21);
    for (const t of [x, ...out]) t.dispose();
  });

  it('ends when the work throws', async () => {
    await expect(
      runtime.profile(() => {
        throw new Error('boom');
      }),
    ).rejects.toThrow('boom');
    const x = ramp(4);
    const y = affine(x, 1, 1);
    expect(await floats(y)).toEqual([1, 2, 3, 4]);
    for (const t of [x, y]) t.dispose();
  });
});

// Each of these breaks its runtime and replaces the current backend, so they come last.
describe('failures', () => {
  const broken = (n: number) =>
    defineKernel({
      name: `test/broken-${n}`,
      template: `@group(0) @binding(auto) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(1) fn main() { x[0] = no_such_function_${n}(); }`,
    });

  it('an invalid program is a KernelError of finish and read: the first error only', async () => {
    shutdown(runtime);
    runtime = await initialize();
    const x = ramp(4);
    for (const n of [1, 2]) runtime.launch(broken(n), { tensors: { x }, workgroups: [1] });
    const first = await runtime.finish().catch((e: unknown) => e);
    expect(first).toBeInstanceOf(KernelError);
    expect((first as Error).message).toContain('no_such_function_1');
    await expect(runtime.finish()).rejects.toBe(first);
    await expect(runtime.read(x)).rejects.toBe(first);
    expect(() => runtime.throwIfFailed()).toThrow(first as Error);
  });

  it('a new runtime is not affected', async () => {
    shutdown(runtime);
    expect(() => getRuntime()).toThrow();
    runtime = await initialize();
    expect(getRuntime()).toBe(runtime);
    const x = ramp(4);
    const y = affine(x, 1, 1);
    expect(await floats(y)).toEqual([1, 2, 3, 4]);
    for (const t of [x, y]) t.dispose();
  });

  it('a lost device: what waits is rejected, what follows throws, a new runtime works', async () => {
    const lost = runtime;
    const x = ramp(4);
    const y = affine(x, 1, 1);
    const graph = lost.capture(() => affine(x, 2, 2));
    const waiting = [lost.finish(), lost.read(y)].map((p) => p.catch((e: unknown) => e));
    lost.device.destroy();
    for (const error of await Promise.all(waiting)) {
      // What had reached the GPU may still have been done.
      if (error instanceof Error) expect(error).toBeInstanceOf(DeviceLostError);
    }
    await lost.device.lost;
    await expect(lost.finish()).rejects.toThrow(DeviceLostError);
    await expect(lost.read(y)).rejects.toThrow(DeviceLostError);
    await expect(lost.profile(() => {})).rejects.toThrow(DeviceLostError);
    for (const operation of [
      () => affine(x, 1, 1, lost),
      () => increment(x, lost),
      () => lost.allocate([4]),
      () => lost.write(x, new Float32Array(4)),
      () => lost.copy(x, y),
      () => lost.capture(() => affine(x, 1, 1, lost)),
      () => graph.replay(),
      () => lost.throwIfFailed(),
    ]) {
      expect(operation).toThrow(DeviceLostError);
    }
    expect(() => graph.dispose()).not.toThrow();
    shutdown(lost);
    runtime = await initialize();
    const z = affine(ramp(4), 1, 1);
    expect(await floats(z)).toEqual([1, 2, 3, 4]);
  });

  it('a device destroyed while the GPU works does not leave a read hanging', async () => {
    const lost = runtime;
    let t: Tensor = ramp(1 << 20);
    for (let i = 0; i < 100; i++) t = affine(t, 1, 1);
    const read = lost.read(t).catch((e: unknown) => e);
    await new Promise((resolve) => setTimeout(resolve, 1));
    lost.device.destroy();
    const result = await read;
    if (!(result instanceof ArrayBuffer)) expect(result).toBeInstanceOf(DeviceLostError);
    await lost.device.lost;
    await expect(lost.read(t)).rejects.toThrow(DeviceLostError);
    shutdown(lost);
    runtime = await initialize();
  });

  it('shutdown is no loss, and harmless when repeated or before another initialize', async () => {
    const old = runtime;
    shutdown(old);
    runtime = await initialize();
    shutdown(old);
    await old.device.lost;
    expect(() => old.throwIfFailed()).not.toThrow();
    expect(getRuntime()).toBe(runtime);
    const y = affine(ramp(4), 1, 1);
    expect(await floats(y)).toEqual([1, 2, 3, 4]);
  });
});
