import {
  findBackend,
  findBackendFactory,
  ready,
  registerBackend,
  removeBackend,
  setBackend,
} from '@tensorflow/tfjs-core';
import { tuningStore } from '#tuning-store';
import { type DeviceHandle, type GpuOptions, openDevice, releaseGpu } from './device/index.js';
import { Runtime, registerRuntime } from './dispatch/runtime.js';
import { gemm } from './ops/gemm/index.js';
import { TuningError } from './tuning/error.js';
import type { TuningStore } from './tuning/store.js';
import { adapterIdentity } from './tuning/table.js';
import { Tuning } from './tuning/tuning.js';

/** Options of `initialize`. */
export interface InitializeOptions extends GpuOptions {
  /** A device of the caller's own; it should have the features and limits that `requestDevice` asks for. */
  handle?: DeviceHandle;
  /**
   * Whether kernels are chosen by what was measured on this adapter (`tune`). `off`, the default: by rules alone, so that results
   * depend on nothing but the adapter. `cached`: by what `tuningStore()` holds, if anything; or by another store. Tables that
   * cannot be used are ignored; `tuningOf(runtime).warning` says why.
   */
  tuning?: 'off' | 'cached' | TuningStore;
  /**
   * Lets matrix products and convolutions run on matrix units where the adapter has them (`adapterClass.subgroupMatrix`):
   * twice as fast on an H100, with operands rounded to float16, a relative 5e-4 of each, and none above 65504. Off by default.
   */
  matrixUnits?: boolean;
}

/**
 * Opens a GPU and registers it as tfjs's `webgpu` backend, which becomes the current one. A second call replaces the
 * first backend: all its tensors are lost.
 * @throws DeviceError when there is no usable adapter.
 */
export async function initialize(options: InitializeOptions = {}): Promise<Runtime> {
  const opened = options.handle ?? (await openDevice(options));
  const { matrixUnits } = options;
  const handle = matrixUnits ? { ...opened, adapterClass: { ...opened.adapterClass, matrixUnits } } : opened;
  // Imported late: the package looks for navigator.gpu when it is loaded.
  const { WebGPUBackend } = await import('@tensorflow/tfjs-backend-webgpu');
  if (findBackendFactory('webgpu')) removeBackend('webgpu');
  const backend = new WebGPUBackend(handle.device, handle.info);
  registerBackend('webgpu', () => backend, 3);
  await setBackend('webgpu');
  await ready();
  const tuning = new Tuning(adapterIdentity(handle.info, handle.adapterClass), handle.adapterClass, {
    float32: gemm,
    ...(handle.adapterClass.subgroupMatrix && { float16: (a, b) => gemm(a, b, { variant: 'subgroup-matrix' }) }),
  });
  if (options.tuning && options.tuning !== 'off') {
    await loadTuning(tuning, options.tuning === 'cached' ? tuningStore() : options.tuning);
  }
  const runtime = new Runtime(backend, handle, tuning);
  registerRuntime(runtime);
  return runtime;
}

async function loadTuning(tuning: Tuning, store: TuningStore): Promise<void> {
  try {
    const table = await store.load(tuning.table.adapter);
    if (table) tuning.use(table);
  } catch (error) {
    if (!(error instanceof TuningError)) throw error;
    tuning.warning = error;
  }
}

/** Removes the backend and destroys the device, so that a Node process can end. Harmless when done already. */
export function shutdown(runtime: Runtime): void {
  runtime.close();
  runtime.flush();
  // A later `initialize` may have put another backend in its place.
  if (findBackend('webgpu') === runtime.backend) {
    removeBackend('webgpu');
    releaseGpu();
  }
  runtime.device.destroy();
}
