import {
  findBackend,
  findBackendFactory,
  ready,
  registerBackend,
  removeBackend,
  setBackend,
} from '@tensorflow/tfjs-core';
import { Runtime, registerRuntime } from '../dispatch/runtime.js';
import { type DeviceHandle, type GpuOptions, openDevice, releaseGpu } from './index.js';

/** Options of `initialize`. */
export interface InitializeOptions extends GpuOptions {
  /** A device of the caller's own; it should have the features and limits that `requestDevice` asks for. */
  handle?: DeviceHandle;
}

/**
 * Opens a GPU and registers it as tfjs's `webgpu` backend, which becomes the current one. A second call replaces the
 * first backend: all its tensors are lost.
 * @throws DeviceError when there is no usable adapter.
 */
export async function initialize(options: InitializeOptions = {}): Promise<Runtime> {
  const handle = options.handle ?? (await openDevice(options));
  // Imported late: the package looks for navigator.gpu when it is loaded.
  const { WebGPUBackend } = await import('@tensorflow/tfjs-backend-webgpu');
  if (findBackendFactory('webgpu')) removeBackend('webgpu');
  const backend = new WebGPUBackend(handle.device, handle.info);
  registerBackend('webgpu', () => backend, 3);
  await setBackend('webgpu');
  await ready();
  const runtime = new Runtime(backend, handle);
  registerRuntime(runtime);
  return runtime;
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
