import type { FrameOps } from '@samtrack/kernels';
import type { OnnxEngine } from '../engine.js';
import type { OnnxTrace } from '../trace.js';
import { filterPixels } from './filter-pixels.js';
import { labelPropagation } from './label-propagation.js';
import { labelArgmax, labelDecode, labelUncertainty } from './labels.js';
import { maskBits, maskStatistics, maskValues } from './mask-resample.js';
import { copyBlock, transpose } from './memory.js';
import { preprocess } from './preprocess.js';

/** What happens around networks: in the graph where ONNX has the operations, else on the CPU between graphs. */
export const frameOps = (engine: OnnxEngine, trace: OnnxTrace): FrameOps => ({
  preprocess: preprocess(engine),
  filterPixels: filterPixels(engine),
  labelDecode: labelDecode(trace),
  labelUncertainty: labelUncertainty(trace),
  labelArgmax: labelArgmax(trace),
  labelPropagation: labelPropagation(trace),
  maskStatistics: maskStatistics(engine),
  maskBits: maskBits(engine),
  maskValues: maskValues(engine),
  copyBlock: copyBlock(engine),
  transpose: transpose(engine, trace),
});
