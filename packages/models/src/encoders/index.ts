export type { Encoder, EncoderFeatures } from './encoder.js';
export { MobileNetV2 } from './mobilenet-v2.js';
