export { GroundingDinoDetector, type GroundingDinoDetectorOptions } from './grounding-dino.js';
export { SamSegmenter, type SamSegmenterOptions } from './sam.js';
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
