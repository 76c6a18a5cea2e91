export {
  type GridAttention,
  gridKernels,
  launchBroadcast,
  launchTiled,
  launchWorkgroups,
  OPERANDS,
} from './grid-attention.js';
export { RELATIVE_KERNELS, relativeTerms } from './relative-terms.js';
export { supportsBroadcast, supportsTiles } from './tiles.js';
