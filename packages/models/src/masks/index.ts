/**
 * Masks on the CPU: run lengths as COCO has them, regions, non-maximum suppression. No GPU.
 * @module
 */

export { bitsToRle } from './bits.js';
export type { Box } from './box.js';
export { nonMaximumSuppression } from './nms.js';
export { type CleanedMask, fillHoles, removeIslands } from './regions.js';
export {
  type CompressedRle,
  compressRle,
  decodeRle,
  decompressRle,
  encodeRle,
  labelMapToRles,
  placeRle,
  type Rle,
  rleArea,
  rleBbox,
} from './rle.js';
