export { GroundingDinoDetector, type GroundingDinoDetectorOptions } from './grounding-dino.js';
export type {
  Box,
  Detection,
  DetectOptions,
  Detector,
  EverythingOptions,
  EverythingRecord,
  MaskCandidate,
  Point,
  Segmenter,
  SegmentPrompt,
} from './types.js';
