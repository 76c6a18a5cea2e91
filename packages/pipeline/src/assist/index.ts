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
