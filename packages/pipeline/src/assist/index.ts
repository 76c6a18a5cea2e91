export { GroundingDinoDetector, type GroundingDinoDetectorOptions } from './grounding-dino.js';
export type { SmallSegmenterWeights } from './load-predictor.js';
export { DETECTOR_NAMES, type DetectorName, SEGMENTER_NAMES, type SegmenterName } from './names.js';
export { PromptSegmenter, type SegmenterOptions } from './prompt-segmenter.js';
export { SamSegmenter } from './sam.js';
export { SmallSegmenter } from './sam-small.js';
export { TrackerSegmenter } from './tracker-segmenter.js';
export type {
  Box,
  Detection,
  DetectOptions,
  Detector,
  EverythingOptions,
  EverythingRecord,
  KnownMask,
  MaskCandidate,
  Point,
  Segmenter,
  SegmentPrompt,
} from './types.js';
