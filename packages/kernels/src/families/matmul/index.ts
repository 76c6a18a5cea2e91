export { matmulKernels } from './kernels.js';
export { launchMatmul } from './launch.js';
export { type MatmulShape, type MatmulVariant, selectMatmul, supportedMatmul } from './select.js';
