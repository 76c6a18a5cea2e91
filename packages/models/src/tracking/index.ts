export { DEFAULT_MEMORY_MB, OutOfBudgetError, TrackerError } from './errors.js';
export { DEFAULT_LONG_EDGE, networkSize, tokenGrid } from './network-size.js';
export type {
  Certainty,
  ObjectPrompt,
  RememberedFrame,
  Size,
  Tracker,
  TrackingDirection,
  TrackingOptions,
  UpdateOptions,
} from './tracker.js';
