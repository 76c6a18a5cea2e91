/**
 * Writing networks down as ONNX graphs without the engine that runs them, for what runs them elsewhere.
 * @module
 */
export { OnnxTraceError } from './error.js';
export { OnnxGraph } from './graph/graph.js';
export { GRAPH_KERNELS } from './graph-kernels.js';
export { graphOps } from './ops/index.js';
export { weightBytes } from './session/session.js';
export type { TensorData } from './tensors.js';
export { OnnxTrace, type TensorTable, type Value } from './trace.js';
