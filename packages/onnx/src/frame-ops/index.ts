import type { FrameOps } from '@samtrack/kernels';
import type { Host } from '../host.js';
import type { OnnxTrace } from '../trace.js';
import { filterPixels } from './filter-pixels.js';
import { labelPropagation } from './label-propagation.js';
import { labelArgmax, labelDecode, labelUncertainty } from './labels.js';
import { maskBits, maskStatistics, maskValues } from './mask-resample.js';
import { copyBlock, transpose } from './memory.js';
import { preprocess } from './preprocess.js';

/** What happens around networks: in the graph where ONNX has the operations, else on the CPU between graphs. */
export const frameOps = (host: Host, trace: OnnxTrace): FrameOps => ({
  preprocess: preprocess(host),
  filterPixels: filterPixels(host),
  labelDecode: labelDecode(trace),
  labelUncertainty: labelUncertainty(trace),
  labelArgmax: labelArgmax(trace),
  labelPropagation: labelPropagation(trace),
  maskStatistics: maskStatistics(host),
  maskBits: maskBits(host),
  maskValues: maskValues(host),
  copyBlock: copyBlock(host),
  transpose: transpose(host, trace),
});
