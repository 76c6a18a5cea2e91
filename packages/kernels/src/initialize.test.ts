import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { add, backend, KernelBackend, registerBackend, removeBackend, setBackend, tensor } from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, it } from 'vitest';
import { openDevice, releaseGpu } from './device/index.js';
import {
  attach,
  gemm,
  getRuntime,
  initialize,
  NoRuntimeError,
  type Runtime,
  RuntimeInUseError,
  shutdown,
} from './index.js';

let open: Runtime[] = [];
const opened = async (runtime: Promise<Runtime>) => {
  open.push(await runtime);
  return runtime;
};
afterEach(() => {
  for (const runtime of open.splice(0)) shutdown(runtime);
});
const product = async () => {
  const [a, b] = [tensor([[1, 2]]), tensor([[3], [4]])];
  const result = gemm(a, b);
  const [value] = await result.data();
  for (const each of [a, b, result]) each.dispose();
  return value;
};

describe('one runtime for all', () => {
  it('is opened once, also by calls at the same time, and ends with the last', async () => {
    const [first, second] = await Promise.all([opened(initialize()), opened(initialize())]);
    const third = await opened(initialize());
    expect(second).toBe(first);
    expect(third).toBe(first);
    shutdown(open.pop()!);
    shutdown(open.pop()!);
    expect(await product()).toBe(11);
    shutdown(open.pop()!);
    expect(() => getRuntime()).toThrow(NoRuntimeError);
    await first!.device.lost;
    // Further calls do nothing.
    shutdown(first!);
  });

  it('keeps the tensors of one user when another comes and goes', async () => {
    await opened(initialize());
    const kept = tensor([1, 2, 3]);
    const sum = add(kept, 1);
    shutdown(await initialize());
    expect([...(await sum.data())]).toEqual([2, 3, 4]);
    for (const each of [kept, sum]) each.dispose();
  });

  it('refuses what it is not, and says who holds it', async () => {
    await opened(initialize({ holder: 'the editor' }));
    const refused = await initialize({ matrixUnits: true, holder: 'VideoTracker' }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RuntimeInUseError);
    expect((refused as RuntimeInUseError).holders).toEqual(['the editor']);
    expect((refused as Error).message).toMatch(/in use by the editor.*`matrixUnits`.*VideoTracker asks for true/);
    expect(await product()).toBe(11);
    // The adapter that is open, by a part of its name.
    shutdown(await initialize({ adapter: getRuntime().info.description.slice(0, 6) }));
    await expect(initialize({ adapter: 'no such adapter' })).rejects.toBeInstanceOf(RuntimeInUseError);
  });

  it('says which backend is the current one where that is another, and becomes it when it is asked for again', async () => {
    const runtime = await opened(initialize());
    registerBackend('other', () => Object.assign(new KernelBackend(), { dispose() {} }));
    try {
      await setBackend('other');
      expect(() => getRuntime()).toThrow(/"webgpu", and the current one is "other": `await setBackend\('webgpu'\)`/);
      expect(await opened(initialize())).toBe(runtime);
      expect(await product()).toBe(11);
    } finally {
      removeBackend('other');
    }
  });

  it('is opened anew after a loss, though somebody still holds the lost one', async () => {
    const lost = await opened(initialize());
    lost.device.destroy();
    await lost.device.lost;
    const runtime = await opened(initialize());
    expect(runtime).not.toBe(lost);
    expect(await product()).toBe(11);
    shutdown(lost);
    expect(getRuntime()).toBe(runtime);
    open = [runtime];
  });
});

describe("a program's own tfjs backend", () => {
  it('is shared, and its device is left alone', async () => {
    const { device, info } = await openDevice();
    const own = new WebGPUBackend(device, info);
    registerBackend('webgpu', () => own);
    await setBackend('webgpu');
    const before = add(tensor([1]), 1);
    expect(() => getRuntime()).toThrow(NoRuntimeError);
    // Its tensors would be lost.
    await expect(initialize()).rejects.toMatchObject({ name: 'RuntimeInUseError', holders: ['tfjs'] });

    const runtime = await attach(backend() as WebGPUBackend);
    expect(await initialize()).toBe(runtime);
    expect(await product()).toBe(11);
    shutdown(runtime);
    expect(await product()).toBe(11);
    shutdown(runtime);
    expect(() => getRuntime()).toThrow(NoRuntimeError);
    expect([...(await add(before, 1).data())]).toEqual([3]);
    const lost = await Promise.race([device.lost.then(() => true), new Promise((on) => setTimeout(on, 50))]);
    expect(lost).toBeUndefined();

    removeBackend('webgpu');
    device.destroy();
    releaseGpu();
  });
});
