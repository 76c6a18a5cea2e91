export { TrackingError, type TrackingErrorCode } from './errors.js';
export { GivenMasks } from './given-masks.js';
export { type FrameReviser, type TrackOptions, type TrackProgress, track, trackToFolder } from './track.js';
export type { TrackerKind } from './tracking-model.js';
export { VideoTracker, type VideoTrackerOptions } from './video-tracker.js';
