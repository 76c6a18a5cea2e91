import { backend as currentBackend } from '@tensorflow/tfjs-core';
import { type GraphPool, getRuntime, type Runtime } from './dispatch/index.js';
import { type Engine, engineOf } from './engine.js';
import { fusedOps } from './ops/index.js';

/** The hand-written kernels on a GPU, as an engine. */
const webgpuEngine = (runtime: Runtime): Engine => ({
  kind: 'webgpu',
  device: runtime.info.description || runtime.info.device || runtime.info.vendor,
  ops: fusedOps,
  replays: runtime.adapterClass.kind === 'discrete',
  sharesMemory: runtime.adapterClass.kind !== 'discrete',
  maxTensorBytes: runtime.adapterClass.maxBindingBytes,
  allocate: (shape, dtype) => runtime.allocate(shape, dtype),
  write: (tensor, values) => runtime.write(tensor, values),
  copy: (source, target) => runtime.copy(source, target),
  read: (tensor) => runtime.read(tensor),
  capture: (build, pool) => runtime.capture(build, pool as GraphPool | undefined),
  capturePool: () => runtime.graphPool(),
  flush: () => runtime.flush(),
  finish: () => runtime.finish(),
  throwIfFailed: () => runtime.throwIfFailed(),
  trim: () => void runtime.trim(),
  memory: () => runtime.memory(),
});

/** By runtime, since a backend that is attached again has another one. */
const engines = new WeakMap<Runtime, Engine>();

/**
 * The engine of the current tfjs backend: what was tied to it, or the kernels where `initialize` or `attach` opened a GPU. It is
 * made when a model first asks for it, so that programs of single kernels do without all others.
 * @throws NoRuntimeError when the current backend is none of either.
 */
export function getEngine(): Engine {
  const known = tiedEngine();
  if (known) return known;
  const runtime = getRuntime();
  const engine = engines.get(runtime) ?? webgpuEngine(runtime);
  engines.set(runtime, engine);
  return engine;
}

function tiedEngine(): Engine | undefined {
  try {
    return engineOf(currentBackend());
  } catch {
    // tfjs has no backend at all.
    return undefined;
  }
}
