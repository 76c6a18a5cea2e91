export { MEMORY_FRAMES, POINTER_FRAMES, SAM2_CONFIGS, type Sam2Config, type Sam2Name } from './config.js';
export { Sam2Error, type Sam2ErrorCode } from './error.js';
export { type Sam2LoadOptions, Sam2Model, STABILITY_FALLBACK, type StabilityFallback } from './model.js';
export { Sam2PromptModel } from './prompt-model.js';
export { Sam2Tracker, type Sam2TrackerOptions } from './tracker.js';
export {
  type Sam2EngineOptions,
  type Sam2Frame,
  type Sam2Video,
  Sam2VideoEngine,
  type VideoPrompt,
} from './video-engine.js';
