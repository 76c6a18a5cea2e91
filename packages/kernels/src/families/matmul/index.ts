export { type MatmulKernels, matmulKernels } from './kernels.js';
export { type ConvGeometry, type Epilogue, launchMatmul, type Matmul } from './launch.js';
export { type MatmulShape, type MatmulVariant, selectMatmul, supportedMatmul } from './select.js';
