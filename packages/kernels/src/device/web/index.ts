import { DeviceError } from '../adapter.js';

/** Options for finding a GPU; browsers choose the adapter themselves, so both are ignored here. */
export interface GpuOptions {
  adapter?: string | undefined;
  backend?: 'vulkan' | 'metal' | 'd3d12' | 'null' | undefined;
}

/** The browser's `GPU` object. */
export async function acquireGpu(_options: GpuOptions = {}): Promise<GPU> {
  if (!globalThis.navigator?.gpu) {
    throw new DeviceError('no-webgpu', 'This browser does not offer WebGPU (navigator.gpu is missing).');
  }
  return navigator.gpu;
}

/** Nothing to release in a browser. */
export function releaseGpu(): void {}
