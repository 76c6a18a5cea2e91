export {
  boxArea,
  boxGiou,
  boxIou,
  type CentredBox,
  centredBox,
  clipBox,
  cornersOf,
  maskToBox,
} from './boxes.js';
export { GROUNDING_DINO_CONFIGS, type GroundingDinoConfig, type GroundingDinoName } from './config.js';
export { groundingDinoConfigOf } from './config-of.js';
export {
  DetectorError,
  type DetectorOptions,
  type GroundedDetection,
  GroundingDetector,
  type GroundingNetwork,
  type GroundingOptions,
  type GroundingResult,
} from './detector.js';
export { type BoxSegmenter, type GroundedMask, segmentByText } from './grounded-sam.js';
export { type ImageSizeOptions, imageTensor, networkImageSize } from './image-input.js';
export { type DetectOptions, GroundingDino, type GroundingDinoLoadOptions } from './model.js';
export type { Wanted } from './request.js';
export { type ClassCaption, classCaption, type PhraseSpans, positiveMap, type Span } from './spans.js';
export {
  CaptionError,
  type CaptionTokens,
  loadTokenizer,
  preprocessCaption,
  TextBranch,
  type Token,
  tokenizeCaption,
  WordPieceTokenizer,
} from './text/index.js';
export type { ImageFeatures, LevelSize, OnTap, RawDetections, TextFeatures } from './types.js';
