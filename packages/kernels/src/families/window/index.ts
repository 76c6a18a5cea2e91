import productsWgsl from './products.wgsl';

/** What kernels of attention in windows of an image are made of. */
export const WINDOW_INCLUDES = { products: productsWgsl };
