export * from './conv2d/index.js';
export * from './gemm/index.js';
export * from './group-norm/index.js';
export * from './layer-norm/index.js';
export { fusedOps, type OpSet, stockOps } from './op-set.js';
export { ShapeError } from './shape-error.js';
