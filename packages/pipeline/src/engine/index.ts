export { ENGINE_CHOICES, type EngineChoice, EngineError } from './choice.js';
export { type EngineOptions, type OpenEngine, openEngine } from './open-engine.js';
