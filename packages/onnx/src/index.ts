/**
 * The CPU engine: the same networks, traced to ONNX graphs, on ONNX Runtime.
 * @module
 */
export { OnnxEngine } from './engine.js';
export { OnnxEngineError, OnnxTraceError } from './error.js';
export { initializeCpu, shutdownCpu } from './initialize.js';
export type { GraphCacheOptions, RuntimeOptions } from './session/session.js';
