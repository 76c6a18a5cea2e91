export { DEFAULT_MEMORY_MB, OutOfBudgetError, TrackerError } from './errors.js';
export { checkLabels, checkPixels } from './frame-input.js';
export { DEFAULT_LONG_EDGE, networkSize, tokenGrid } from './network-size.js';
export type { SnapshotState, SnapshotTensor, TrackerSnapshot } from './snapshot.js';
export { openSnapshot, type StoredSnapshot, storedSnapshot } from './snapshot-file.js';
export type {
  Certainty,
  ObjectPrompt,
  RememberedFrame,
  Size,
  Tracker,
  TrackingDirection,
  TrackingOptions,
  UpdateOptions,
  WindowOf,
} from './tracker.js';
