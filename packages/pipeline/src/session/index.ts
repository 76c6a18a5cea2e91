export type { SessionMemory } from './budget.js';
export type { SessionOptions } from './core.js';
export type { FrameDrift, ObjectConfidence, Suggestion } from './drift.js';
export { SessionError, type SessionErrorCode } from './errors.js';
export type { Direction, SessionObject, TravelRange } from './events.js';
export { ResultMask } from './masks.js';
export type { Plan } from './plan.js';
export type {
  BoxesPrompt,
  BoxPrompt,
  ClassesPrompt,
  EverythingPrompt,
  MaskPrompt,
  PointsPrompt,
  PolygonPrompt,
  Prompt,
  PromptContent,
  PromptRecord,
  PromptTarget,
  StrokePrompt,
  TextPrompt,
} from './prompt.js';
export type { PropagateOptions, SessionResult } from './propagate.js';
export { type OpenOptions, SamTrack, type SamTrackOptions } from './samtrack.js';
export { type PromptResult, Session, type SessionAnnotation } from './session.js';
export { SharedTracker } from './tracker.js';
