export {
  DEAOT_CONFIGS,
  DEFAULT_LONG_EDGE,
  type DeAotConfig,
  type DeAotName,
  networkSize,
  tokenGrid,
} from './config.js';
export {
  type GroupMemory,
  type LayerMemory,
  type LongTermMemory,
  OutOfBudgetError,
  type ShortTermMemory,
} from './memory.js';
export { LongTermSchedule, MemoryFullError, type MemoryPolicy } from './memory-schedule.js';
export { DeAot, type FrameFeatures, type LoadOptions, type Size } from './model.js';
export { DEFAULT_MEMORY_MB, DeAotTracker, TrackerError, type TrackerOptions } from './tracker.js';
