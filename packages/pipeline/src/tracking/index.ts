export { TrackingError, type TrackingErrorCode } from './errors.js';
export type { FoundMasks, FrameTracker, RestartOptions } from './frame-tracker.js';
export { GivenMasks } from './given-masks.js';
export { RunMemory } from './run-memory.js';
export {
  type FolderProgress,
  type FrameReviser,
  type TrackOptions,
  type TrackProgress,
  type TrackToFolderOptions,
  track,
  trackToFolder,
} from './track.js';
export type { TrackerKind, TrackerModel, TrackerName } from './tracker-kinds.js';
export { type Quality, VideoTracker, type VideoTrackerOptions } from './video-tracker.js';
