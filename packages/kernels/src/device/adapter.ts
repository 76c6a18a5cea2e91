/** How an adapter computes; kernels choose their variants by it, since the best pattern on one is the worst on another. */
export type AdapterKind = 'software' | 'integrated' | 'discrete';

/** The facts about a device that kernel selection may depend on. Plain data, so selection functions are tested as tables. */
export interface AdapterClass {
  readonly kind: AdapterKind;
  /** Lanes of a subgroup, or 0 where subgroups are missing or their size is not fixed. */
  readonly subgroupSize: number;
  /** Whether shaders may `enable f16`. */
  readonly f16: boolean;
  /** Whether a f16 x f16 -> f32 subgroup matrix of 16x16x16 is offered. */
  readonly subgroupMatrix: boolean;
  /** Whether the caller allows matrix units to be used, with operands rounded to f16. See `initialize`. */
  readonly matrixUnits?: boolean;
  /** Largest storage buffer one binding may cover, in bytes. */
  readonly maxBindingBytes: number;
  /** Workgroup-shared memory, in bytes. */
  readonly maxWorkgroupBytes: number;
  /** Most invocations in one workgroup. */
  readonly maxInvocations: number;
}

/** A device together with what is known about its adapter. */
export interface DeviceHandle {
  readonly device: GPUDevice;
  readonly info: GPUAdapterInfo;
  readonly adapterClass: AdapterClass;
}

/** No adapter, or one that cannot run the kernels. `code` tells which. */
export class DeviceError extends Error {
  override readonly name = 'DeviceError';
  constructor(
    readonly code: 'no-webgpu' | 'no-adapter' | 'request-failed',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const WANTED_FEATURES = [
  'shader-f16',
  'subgroups',
  'subgroup-size-control',
  'timestamp-query',
  'chromium-experimental-subgroup-matrix',
] as const;

const WANTED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupsPerDimension',
] as const;

interface SubgroupInfo {
  subgroupMinSize?: number;
  subgroupMaxSize?: number;
  isFallbackAdapter?: boolean;
  subgroupMatrixConfigs?: Iterable<{
    componentType: string;
    resultComponentType: string;
    M: number;
    N: number;
    K: number;
  }>;
}

/**
 * Classifies an adapter from what it reports. Software rasterisers are recognised by their architecture or by the
 * fallback flag; Dawn reports the adapter type nowhere else, so every other adapter counts as discrete unless it is
 * known to share memory with the CPU.
 */
export function classifyAdapter(
  info: GPUAdapterInfo,
  features: ReadonlySet<string>,
  limits: GPUSupportedLimits,
): AdapterClass {
  const { subgroupMinSize = 0, subgroupMaxSize = 0, isFallbackAdapter, subgroupMatrixConfigs } = info as SubgroupInfo;
  const description = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`.toLowerCase();
  const software = isFallbackAdapter || /llvmpipe|lavapipe|swiftshader|software|basic render/.test(description);
  const integrated = /intel|apple|qualcomm|adreno|\barm\b|mali/.test(description);
  const fixedSubgroup = features.has('subgroups') && subgroupMinSize === subgroupMaxSize;
  return {
    kind: software ? 'software' : integrated ? 'integrated' : 'discrete',
    subgroupSize: fixedSubgroup ? subgroupMinSize : 0,
    f16: features.has('shader-f16'),
    subgroupMatrix:
      features.has('chromium-experimental-subgroup-matrix') &&
      [...(subgroupMatrixConfigs ?? [])].some(
        (c) => c.componentType === 'f16' && c.resultComponentType === 'f32' && c.M === 16 && c.N === 16 && c.K === 16,
      ),
    maxBindingBytes: limits.maxStorageBufferBindingSize,
    maxWorkgroupBytes: limits.maxComputeWorkgroupStorageSize,
    maxInvocations: limits.maxComputeInvocationsPerWorkgroup,
  };
}

/**
 * Requests a device with every feature and limit of the adapter that a kernel can use.
 * @throws DeviceError when the adapter refuses
 */
export async function requestDevice(adapter: GPUAdapter): Promise<DeviceHandle> {
  const requiredFeatures = WANTED_FEATURES.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[];
  const requiredLimits = Object.fromEntries(WANTED_LIMITS.map((limit) => [limit, adapter.limits[limit]]));
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
  } catch (cause) {
    throw new DeviceError('request-failed', `The adapter refused a device: ${(cause as Error).message}`, { cause });
  }
  return {
    device,
    info: adapter.info,
    adapterClass: classifyAdapter(adapter.info, new Set(device.features), device.limits),
  };
}
