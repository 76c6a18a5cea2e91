export { type Check, type Complaint, OperandError } from './arguments.js';
export { Call, defineOp, GradientError, type Op, type OpSpec } from './define.js';
export { asFloat16 } from './float16.js';
export { ShapeError } from './shape-error.js';
export { type MatrixView, matrixView } from './view.js';
