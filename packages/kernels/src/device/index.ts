import { acquireGpu, type GpuOptions } from '#platform';
import { DeviceError, type DeviceHandle, requestDevice } from './adapter.js';

export type { GpuOptions } from '#platform';
export { releaseGpu } from '#platform';
export {
  type AdapterClass,
  type AdapterKind,
  classifyAdapter,
  DeviceError,
  type DeviceHandle,
  requestDevice,
} from './adapter.js';

/**
 * What a device came from. Dawn takes the process along where its `GPU` object is collected before the device has ended, or
 * before the device's own object is collected (webgpu 0.6.2, Vulkan).
 */
const origins = new WeakMap<object, GPU>();
const inUse = new Set<GPU>();

/**
 * Finds an adapter and opens a device on it with all it offers.
 * @throws DeviceError when WebGPU is missing, no adapter is found, or the device is refused.
 */
export async function openDevice(options: GpuOptions = {}): Promise<DeviceHandle> {
  const adapter = await requestAdapter(options);
  const handle = await requestDevice(adapter);
  const gpu = origins.get(adapter)!;
  origins.set(handle.device, gpu);
  inUse.add(gpu);
  handle.device.lost.then(() => inUse.delete(gpu));
  return handle;
}

/**
 * Finds an adapter, the fastest there is.
 * @throws DeviceError when WebGPU is missing, or no adapter is found.
 */
export async function requestAdapter(options: GpuOptions = {}): Promise<GPUAdapter> {
  const gpu = await acquireGpu(options);
  const { adapter, cause } = await gpu.requestAdapter({ powerPreference: 'high-performance' }).then(
    (found) => ({ adapter: found, cause: undefined }),
    // Dawn throws where the specification says null.
    (error: Error) => ({ adapter: null, cause: error }),
  );
  if (!adapter) {
    const wanted = options.adapter ? ` named like "${options.adapter}"` : '';
    const others = cause?.message.match(/name: '[^']+'/g)?.map((found) => found.slice(7, -1)) ?? [];
    const hint =
      others.length > 0
        ? `There is: ${others.join('; ')}.`
        : 'Without a GPU, install a software Vulkan driver (Mesa 24 or newer).';
    throw new DeviceError('no-adapter', `No WebGPU adapter${wanted} was found. ${hint}`, { cause });
  }
  origins.set(adapter, gpu);
  return adapter;
}
