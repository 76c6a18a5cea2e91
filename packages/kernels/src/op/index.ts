export { Call, defineOp, type Op } from './define.js';
export { ShapeError } from './shape-error.js';
export { type MatrixView, matrixView } from './view.js';
