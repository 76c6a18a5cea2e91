export { type TrackOptions, type TrackProgress, track, trackToFolder } from './track.js';
export { VideoTracker, type VideoTrackerOptions } from './video-tracker.js';
