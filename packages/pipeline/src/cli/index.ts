/**
 * What packages that add commands to `samtrack` build on.
 * @module
 */
export { type Command, EXPECTED_ERROR, isExpected, oneOf, positiveNumber, UsageError, wholeNumber } from './command.js';
export { type EvalFarmRun, type EvalPlan, evalRun, planEval } from './eval.js';
export { davisSequence, type EvalSequence, type SimulatedClicks, trackSequence } from './eval-tracking.js';
export { INTERRUPTED, interruptible } from './interrupt.js';
export { main, version } from './main.js';
export { MissingPackageError } from './optional.js';
export { formatDuration, Report } from './progress.js';
export { PROMPT_OPTIONS } from './prompt-options.js';
export { planTrack, TRACK_OPTIONS, type TrackPlan, trackVideo } from './track.js';
export type { TrackerSettings } from './tracking.js';
export { type TrackingHost, WarmHost } from './tracking-host.js';
