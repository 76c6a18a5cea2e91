import { classifyAdapter, DeviceError, releaseGpu, requestAdapter } from '@samtrack/kernels';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EngineError, openEngine } from '../../src/engine/index.js';

/** What Dawn finds here, before a test hides it. */
const adapter = await requestAdapter();
const { kind } = classifyAdapter(adapter.info, adapter.features, adapter.limits);
releaseGpu();

afterEach(() => vi.unstubAllEnvs());

/** Opens an engine, and says which one it was and why. */
async function opened(options: Parameters<typeof openEngine>[0] = {}): Promise<{ kind: string; reason: string }> {
  const { kind, reason, close } = await openEngine(options);
  close();
  return { kind, reason };
}

describe('what networks run on', () => {
  it.skipIf(kind !== 'software')('is the CPU by itself where there is no GPU but a software one', async () => {
    vi.stubEnv('SAMTRACK_ENGINE', undefined);
    const auto = await opened();
    expect(auto).toEqual({
      kind: 'cpu',
      reason: expect.stringMatching(
        /^engine cpu: .*ONNX Runtime.* threads? \(the only WebGPU adapter, .*, is a software one\)$/,
      ),
    });
    expect(await opened({ engine: 'auto' })).toEqual(auto);
  });

  it.skipIf(kind === 'software')('is WebGPU by itself where there is a GPU', async () => {
    vi.stubEnv('SAMTRACK_ENGINE', undefined);
    expect(await opened()).toMatchObject({ kind: 'webgpu', reason: expect.stringMatching(/a GPU/) });
  });

  it('is the CPU where there is no adapter at all, and only WebGPU asked for by name is an error', async () => {
    // Where Vulkan's loader looks for drivers.
    vi.stubEnv('VK_DRIVER_FILES', '/nowhere.json');
    vi.stubEnv('VK_ICD_FILENAMES', '/nowhere.json');
    expect(await opened({ engine: 'auto' })).toMatchObject({
      kind: 'cpu',
      reason: expect.stringMatching(/there is no WebGPU adapter/),
    });
    await expect(opened({ engine: 'webgpu' })).rejects.toThrow(DeviceError);
  });

  it('is what the environment says, and what is asked for before that', async () => {
    vi.stubEnv('SAMTRACK_ENGINE', 'cpu');
    expect(await opened({ cpu: { threads: 1 } })).toMatchObject({
      kind: 'cpu',
      reason: expect.stringMatching(/1 thread \(as asked for\)/),
    });
    expect((await opened({ engine: 'webgpu' })).kind).toBe('webgpu');
    vi.stubEnv('SAMTRACK_ENGINE', 'tpu');
    await expect(opened()).rejects.toThrow(EngineError);
  });

  it('is the GPU whose name is given', async () => {
    vi.stubEnv('SAMTRACK_ENGINE', undefined);
    expect((await opened({ gpu: { adapter: adapter.info.description.split(/\W/)[0]! } })).kind).toBe('webgpu');
  });

  it('is not a name that nobody knows', async () => {
    await expect(opened({ engine: 'tpu' as never })).rejects.toThrow(
      new EngineError('engine is one of auto, webgpu, cpu, not "tpu".'),
    );
    await expect(opened({ engine: null as never })).rejects.toThrow(EngineError);
    await expect(opened({ engine: 'cpu', cpu: { threads: 0 } })).rejects.toThrow(/threads/);
  });

  it.each(['webgpu', 'cpu'] as const)('is shared by all, where the first has %s', async (first) => {
    const other = first === 'cpu' ? 'webgpu' : 'cpu';
    const one = await openEngine({ engine: first }, 'the editor');
    const [two, three] = await Promise.all([openEngine({ engine: first }), openEngine({ engine: 'auto' })]);
    expect([two.engine, three.engine]).toEqual([one.engine, one.engine]);
    expect(three.reason).toMatch(/\(in use already\)/);
    await expect(openEngine({ engine: other })).rejects.toThrow(
      new RegExp(`^The engine ${first} is in use, by the editor, samtrack, samtrack, .* samtrack can have ${other}`),
    );
    for (const each of [one, one, two]) each.close();
    await expect(openEngine({ engine: other })).rejects.toThrow(/by samtrack, and/);
    three.close();
    (await openEngine({ engine: other })).close();
  });
});
