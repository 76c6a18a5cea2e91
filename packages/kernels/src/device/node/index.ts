import { DeviceError } from '../adapter.js';

/** Options for finding a GPU in this process. */
export interface GpuOptions {
  /** Substring of the adapter's name, for machines with several (`llvmpipe` picks the software adapter). */
  adapter?: string | undefined;
  /** Dawn backend; `null` compiles every shader and executes none. */
  backend?: 'vulkan' | 'metal' | 'd3d12' | 'null' | undefined;
}

/**
 * Dawn's `GPU` object for this process. Dawn keeps Node alive as long as it is referenced, so `releaseGpu` must be
 * called (or the process exited) when the work is done.
 */
export async function acquireGpu(options: GpuOptions = {}): Promise<GPU> {
  let dawn: typeof import('webgpu');
  try {
    dawn = await import('webgpu');
  } catch (cause) {
    throw new DeviceError('no-webgpu', 'The package "webgpu" (Dawn for Node) is not installed or does not load here.', {
      cause,
    });
  }
  Object.assign(globalThis, dawn.globals);
  const flags = [
    // NVIDIA on Vulkan: Dawn blocks f16 there unless asked, and subgroup matrices need f16.
    'enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia',
    'disable-dawn-features=timestamp_quantization',
  ];
  if (options.backend) flags.push(`backend=${options.backend}`);
  if (options.adapter) flags.push(`adapter=${options.adapter}`);
  const gpu = dawn.create(flags);
  // tfjs decides at import time whether WebGPU exists, by looking for navigator.gpu.
  if (!('navigator' in globalThis)) Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true });
  Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu, configurable: true });
  return gpu;
}

/** Lets Node exit: forgets the process-wide `GPU` object. */
export function releaseGpu(): void {
  if (globalThis.navigator && 'gpu' in globalThis.navigator) {
    Object.defineProperty(globalThis.navigator, 'gpu', { value: undefined, configurable: true });
  }
}
