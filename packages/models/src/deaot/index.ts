export { DEAOT_CONFIGS, type DeAotConfig, type DeAotName, GROUP_OBJECTS } from './config.js';
export type { GroupMemory, LayerMemory, LongTermMemory, ShortTermMemory } from './memory.js';
export { LongTermSchedule, MemoryFullError, type MemoryPolicy } from './memory-schedule.js';
export { DeAot, type FrameFeatures, type LoadOptions } from './model.js';
export { DeAotTracker, type TrackerOptions } from './tracker.js';
