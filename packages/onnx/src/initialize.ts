import { registerEngine } from '@samtrack/kernels';
import {
  findBackend,
  findBackendFactory,
  ready,
  registerBackend,
  removeBackend,
  setBackend,
} from '@tensorflow/tfjs-core';
import { loadRuntime } from '#platform';
import { OnnxBackend } from './backend.js';
import { OnnxEngine } from './engine.js';
import type { RuntimeOptions } from './session/session.js';
import { registerKernels } from './tfjs-kernels.js';

/** Name of the engine's tfjs backend. */
const BACKEND = 'samtrack-cpu';

const backends = new WeakMap<OnnxEngine, OnnxBackend>();

/**
 * Loads ONNX Runtime and makes it the current engine. A second call replaces the first engine: all its tensors are lost.
 * @throws OnnxEngineError `not-installed` where ONNX Runtime is missing.
 */
export async function initializeCpu(options: RuntimeOptions = {}): Promise<OnnxEngine> {
  const engine = new OnnxEngine(await loadRuntime(options));
  const backend = new OnnxBackend(engine);
  if (findBackendFactory(BACKEND)) removeBackend(BACKEND);
  registerBackend(BACKEND, () => backend, 2);
  registerKernels(BACKEND);
  await setBackend(BACKEND);
  await ready();
  registerEngine(backend, engine, engine.frameOps);
  backends.set(engine, backend);
  return engine;
}

/** Removes the engine's backend and releases its graphs. Harmless when done already. */
export async function shutdownCpu(engine: OnnxEngine): Promise<void> {
  // A later `initializeCpu` may have put another engine in its place.
  if (findBackend(BACKEND) === backends.get(engine)) removeBackend(BACKEND);
  await engine.close();
}
