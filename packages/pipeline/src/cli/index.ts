/**
 * What packages that add commands to `samtrack` build on.
 * @module
 */
export { RESULT_FILES } from '../export/index.js';
export {
  type Arguments,
  type Command,
  type CommandDefinition,
  type DefinedCommand,
  defineCommand,
  EXPECTED_ERROR,
  isExpected,
  type OptionValues,
  oneOf,
  positiveNumber,
  UsageError,
  wholeNumber,
} from './command.js';
export { ENGINE_HELP, ENGINE_OPTIONS, engineArguments, engineSettings } from './common/engine-options.js';
export { INTERRUPTED, interruptible } from './common/interrupt.js';
export { formatDuration, Report } from './common/progress.js';
export type { TrackerSettings } from './common/tracking.js';
export { type TrackingHost, WarmHost } from './common/tracking-host.js';
export { version } from './common/version.js';
export { type EvalFarmRun, type EvalPlan, evalRun, planEval } from './eval/index.js';
export { davisSequence, type EvalSequence, type SimulatedClicks, trackSequence } from './eval/tracking.js';
export { main } from './main.js';
export { MissingPackageError } from './optional.js';
export { planTrack, TRACK_OPTIONS, type TrackPlan, trackCommand, trackVideo } from './track/index.js';
export { PROMPT_OPTIONS } from './track/prompt-options.js';
