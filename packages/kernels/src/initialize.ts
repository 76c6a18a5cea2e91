import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { engine, findBackendFactory, ready, registerBackend, removeBackend, setBackend } from '@tensorflow/tfjs-core';
import { tuningStore } from '#tuning-store';
import { SerialQueue } from './common/index.js';
import { classifyAdapter } from './device/adapter.js';
import { type DeviceHandle, type GpuOptions, openDevice, releaseGpu } from './device/index.js';
import { Runtime, registerRuntime, unregisterRuntime } from './dispatch/runtime.js';
import { gemm } from './ops/gemm/index.js';
import { TuningError } from './tuning/error.js';
import type { TuningStore } from './tuning/store.js';
import { adapterIdentity } from './tuning/table.js';
import { Tuning } from './tuning/tuning.js';

/** How kernels are chosen. */
export interface KernelOptions {
  /**
   * Whether kernels are chosen by what was measured on this adapter (`tune`). `off`, the default: by rules alone, so that results
   * depend on nothing but the adapter. `cached`: by what `tuningStore()` holds, if anything; or by another store. Tables that
   * cannot be used are ignored; `tuningOf(runtime).warning` says why.
   */
  tuning?: 'off' | 'cached' | TuningStore | undefined;
  /**
   * Lets matrix products and convolutions run on matrix units where the adapter has them (`adapterClass.subgroupMatrix`):
   * twice as fast on an H100, with operands rounded to float16, a relative 5e-4 of each, and none above 65504. Off by default.
   */
  matrixUnits?: boolean | undefined;
}

/** Options of `initialize`. */
export interface InitializeOptions extends GpuOptions, KernelOptions {
  /** A device of the caller's own; it should have the features and limits that `requestDevice` asks for. */
  handle?: DeviceHandle | undefined;
  /** Who asks, for the message of a `RuntimeInUseError` that somebody else gets. */
  holder?: string | undefined;
}

/** The GPU is in use in another way than was asked for. What uses it goes on. */
export class RuntimeInUseError extends Error {
  override readonly name = 'RuntimeInUseError';
  constructor(
    /** Who uses it, as they called themselves. */
    readonly holders: readonly string[],
    message: string,
  ) {
    super(message);
  }
}

/** The open GPU, and who uses it. */
interface Opened {
  readonly runtime: Runtime;
  readonly options: InitializeOptions;
  readonly holders: string[];
  /** Whether the backend and its device were made here, and end with the last holder. */
  readonly own: boolean;
}

let current: Opened | undefined;
/** Every runtime that is held, lost ones included. */
const held = new Map<Runtime, Opened>();
/** Calls that open take turns, so that two at the same time share what one opens. */
const opening = new SerialQueue();

/**
 * Opens a GPU and registers it as tfjs's `webgpu` backend, which becomes the current one. There is one at a time, and all share it:
 * a further call returns the same runtime, and each call wants a `shutdown` of its own. After the loss of the device, the next call
 * opens another one.
 * @throws DeviceError when there is no usable adapter; RuntimeInUseError when the open GPU is not what the options ask for, or when
 *   the page has a `webgpu` backend of its own, which `attach` would share.
 */
export function initialize(options: InitializeOptions = {}): Promise<Runtime> {
  return opening.run(async () => {
    const { holder = 'initialize' } = options;
    if (current && !current.runtime.lost) {
      const runtime = hold(current, options, holder);
      // Another backend may have become the current one since.
      await setBackend(nameOfBackend(runtime.backend));
      return runtime;
    }
    if (engine().registry['webgpu'] && !isOurs(engine().registry['webgpu'])) {
      throw new RuntimeInUseError(
        ['tfjs'],
        'tfjs runs on a `webgpu` backend already, and a second one would lose its tensors: share it with `attach(backend())`',
      );
    }
    const opened = options.handle ?? (await openDevice(options));
    // What it refuses is thrown where it is waited for, and need not be printed too.
    if (!options.handle) opened.device.addEventListener('uncapturederror', (event) => event.preventDefault());
    // Imported late: the package looks for navigator.gpu when it is loaded.
    const { WebGPUBackend } = await import('@tensorflow/tfjs-backend-webgpu');
    if (findBackendFactory('webgpu')) removeBackend('webgpu');
    const backend = new WebGPUBackend(opened.device, opened.info);
    registerBackend('webgpu', () => backend, 3);
    await setBackend('webgpu');
    await ready();
    return open(backend, opened, options, holder, true);
  });
}

/**
 * Lets kernels run on a tfjs `webgpu` backend that the program made itself, and on its device, which stays the program's: neither is
 * ended by `shutdown`. What calls `initialize` from then on shares it, until the last `shutdown`.
 *
 *     await setBackend('webgpu');
 *     const runtime = await attach(backend() as WebGPUBackend);
 *
 * tfjs asks for a device with few features, on which the slower kernels run. Make the backend from `requestDevice` for all of them.
 * @throws RuntimeInUseError when another one is in use.
 */
export function attach(backend: WebGPUBackend, options: KernelOptions & { holder?: string } = {}): Promise<Runtime> {
  return opening.run(async () => {
    const { holder = 'attach' } = options;
    if (current && !current.runtime.lost) {
      if (current.runtime.backend === backend) return hold(current, options, holder);
      throw new RuntimeInUseError(
        [...current.holders],
        `another GPU is in use, by ${current.holders.join(', ')}: shut it down first, or attach before it is opened`,
      );
    }
    const { device } = backend;
    const info = device.adapterInfo;
    const adapterClass = classifyAdapter(info, new Set(device.features), device.limits);
    return open(backend, { device, info, adapterClass }, options, holder, false);
  });
}

/** What a backend is registered as: attached ones may have other names than tfjs's own. */
const nameOfBackend = (backend: object): string =>
  Object.entries(engine().registry).find(([, one]) => one === backend)?.[0] ?? 'webgpu';

const DEFAULTS: InitializeOptions = { tuning: 'off', matrixUnits: false };

const nameOf = ({ description, device, vendor }: GPUAdapterInfo): string =>
  `${description} ${device} ${vendor}`.toLowerCase();

/** Adds a holder. @throws RuntimeInUseError */
function hold(opened: Opened, options: InitializeOptions, holder: string): Runtime {
  const { runtime, holders } = opened;
  for (const name of ['handle', 'adapter', 'backend', 'tuning', 'matrixUnits'] as const) {
    const [wanted, has] = [options[name], opened.options[name] ?? DEFAULTS[name]];
    if (wanted === undefined || wanted === has) continue;
    if (name === 'adapter' && nameOf(runtime.info).includes(options.adapter!.toLowerCase())) continue;
    const said = (value: unknown) => (typeof value === 'object' ? 'another one' : String(value ?? 'not set'));
    throw new RuntimeInUseError(
      [...holders],
      `the GPU is in use by ${holders.join(', ')}, with \`${name}\` ${said(has)}; ${holder} asks for ${said(wanted)}`,
    );
  }
  holders.push(holder);
  return runtime;
}

async function open(
  backend: WebGPUBackend,
  opened: DeviceHandle,
  options: InitializeOptions,
  holder: string,
  own: boolean,
): Promise<Runtime> {
  const { matrixUnits, tuning: source = 'off' } = options;
  const handle = matrixUnits ? { ...opened, adapterClass: { ...opened.adapterClass, matrixUnits } } : opened;
  const tuning = new Tuning(adapterIdentity(handle.info, handle.adapterClass), handle.adapterClass, {
    float32: gemm,
    ...(handle.adapterClass.subgroupMatrix && { float16: (a, b) => gemm(a, b, { variant: 'subgroup-matrix' }) }),
  });
  if (source !== 'off') await loadTuning(tuning, source === 'cached' ? tuningStore() : source);
  const runtime = new Runtime(backend, handle, tuning);
  registerRuntime(runtime);
  current = { runtime, options, holders: [holder], own };
  held.set(runtime, current);
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

/** Whether a backend of tfjs's is one that was opened here, lost or not. */
const isOurs = (backend: object): boolean => [...held.keys()].some((runtime) => runtime.backend === backend);

/**
 * Says that a holder of a runtime is done: one call for each `initialize` or `attach`. With the last one the backend is removed and
 * the device destroyed, so that a Node process can end; those that were attached are left as they are. Harmless after that.
 * @param holder Who is done, where they called themselves something.
 */
export function shutdown(runtime: Runtime, holder?: string): void {
  const opened = held.get(runtime);
  if (!opened) return;
  const { holders, own } = opened;
  holders.splice(Math.max(0, holder === undefined ? holders.length - 1 : holders.indexOf(holder)), 1);
  if (holders.length > 0) return;
  held.delete(runtime);
  if (current === opened) current = undefined;
  runtime.close();
  if (!runtime.lost) runtime.flush();
  unregisterRuntime(runtime);
  if (!own) return;
  // A later `initialize` may have put another backend in its place.
  if (engine().registry['webgpu'] === runtime.backend) {
    removeBackend('webgpu');
    releaseGpu();
  }
  runtime.device.destroy();
}
