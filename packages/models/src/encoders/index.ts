export type { Encoder, EncoderFeatures } from './encoder.js';
export { MobileNetV2 } from './mobilenet-v2.js';
export { type EncoderKind, loadEncoder } from './load.js';
