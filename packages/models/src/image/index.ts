export { type NetworkInput, networkInput } from './network-input.js';
export { channelsOf, ImageError, type PixelImage, toRgb } from './pixels.js';
export { resizeAntialiased } from './resize-antialiased.js';
