import type { AdapterClass } from '../src/device/adapter.js';

const LIMITS = { maxBindingBytes: 2 ** 27, maxWorkgroupBytes: 32768, maxInvocations: 1024 };

/** Adapters of every class that selection distinguishes, for tests: software ones of each subgroup size, and GPUs. */
export const adapters = {
  software4: { kind: 'software', subgroupSize: 4, f16: false, subgroupMatrix: false, ...LIMITS },
  software8: { kind: 'software', subgroupSize: 8, f16: true, subgroupMatrix: false, ...LIMITS },
  software16: { kind: 'software', subgroupSize: 16, f16: true, subgroupMatrix: false, ...LIMITS },
  softwareNoSubgroups: { kind: 'software', subgroupSize: 0, f16: false, subgroupMatrix: false, ...LIMITS },
  integrated: { kind: 'integrated', subgroupSize: 0, f16: true, subgroupMatrix: false, ...LIMITS },
  integrated16: { kind: 'integrated', subgroupSize: 16, f16: true, subgroupMatrix: false, ...LIMITS },
  discrete: { kind: 'discrete', subgroupSize: 32, f16: false, subgroupMatrix: false, ...LIMITS },
  discreteMatrix: { kind: 'discrete', subgroupSize: 32, f16: true, subgroupMatrix: true, ...LIMITS },
  discrete64: { kind: 'discrete', subgroupSize: 64, f16: true, subgroupMatrix: false, ...LIMITS },
  /** The least that WebGPU allows. */
  least: {
    kind: 'integrated',
    subgroupSize: 0,
    f16: false,
    subgroupMatrix: false,
    maxBindingBytes: 2 ** 27,
    maxWorkgroupBytes: 16384,
    maxInvocations: 256,
  },
} satisfies Record<string, AdapterClass>;

export type AdapterName = keyof typeof adapters;
export const adapterNames = Object.keys(adapters) as AdapterName[];
