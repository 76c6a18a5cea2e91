import { CapturedGraph, GraphPool, type Runtime } from './dispatch/index.js';
import type { Engine } from './engine.js';
import {
  copyBlock,
  filterPixels,
  fusedOps,
  labelArgmax,
  labelDecode,
  labelPropagation,
  labelUncertainty,
  maskBits,
  maskStatistics,
  maskValues,
  preprocess,
  transpose,
} from './ops/index.js';

/** The hand-written kernels on a GPU, as an engine. */
export const webgpuEngine = (runtime: Runtime): Engine => ({
  kind: 'webgpu',
  device: runtime.info.description || runtime.info.device || runtime.info.vendor,
  ops: fusedOps,
  frameOps: {
    preprocess,
    filterPixels,
    labelDecode,
    labelUncertainty,
    labelArgmax,
    labelPropagation,
    maskStatistics,
    maskBits,
    maskValues,
    copyBlock,
    transpose,
  },
  replays: runtime.adapterClass.kind === 'discrete',
  sharesMemory: runtime.adapterClass.kind !== 'discrete',
  maxTensorBytes: runtime.adapterClass.maxBindingBytes,
  allocate: (shape, dtype) => runtime.allocate(shape, dtype),
  write: (tensor, values) => runtime.write(tensor, values),
  copy: (source, target) => runtime.copy(source, target),
  read: (tensor) => runtime.read(tensor),
  capture: (build, reuse) => {
    const own = reuse instanceof CapturedGraph || reuse instanceof GraphPool ? reuse : undefined;
    return runtime.capture(build, own);
  },
  capturePool: () => runtime.graphPool(),
  flush: () => runtime.flush(),
  finish: () => runtime.finish(),
  throwIfFailed: () => runtime.throwIfFailed(),
  trim: () => void runtime.trim(),
  memory: () => runtime.memory(),
});
