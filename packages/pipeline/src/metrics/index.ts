/**
 * J and F as the official DAVIS toolkit computes them, and average precision as COCO does. No GPU, no tfjs.
 * @module
 */
export { assignBest } from './assignment.js';
export { boundaryPixels, boundaryTolerance } from './boundary.js';
export { type ClickedObject, type ClickOptions, simulateClicks } from './clicks.js';
export {
  type CocoAnnotation,
  type CocoResult,
  type CocoScores,
  evaluateCocoBoxes,
} from './coco-detection.js';
export { globalCsv, perSequenceCsv, reportTable, timingCsv } from './csv.js';
export {
  annotationYear,
  type DavisOptions,
  type DavisReport,
  davisSequences,
  evaluateDavis,
  runMetrics,
  type SequenceTask,
  scoreSequence,
} from './davis.js';
export { EvaluationError, type EvaluationErrorCode } from './errors.js';
export {
  type EvaluateOptions,
  type EvaluationFrame,
  evaluateSequence,
  MAX_PROPOSALS,
  type ObjectScores,
  type SequenceScores,
  type Summary,
  summarise,
  type Task,
} from './evaluate.js';
export { type BinaryMask, scoreMask } from './jf.js';
export { quarterEdges, type Statistics, statistics } from './statistics.js';
export { type SubmissionOptions, type SubmissionSequence, writeSubmission } from './submission.js';
export type { SequenceTiming } from './timing.js';
export { type YouTubeVosVideo, youTubeVosVideos } from './youtube-vos.js';
