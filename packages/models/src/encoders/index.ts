export type { Encoder, EncoderFeatures } from './encoder.js';
export { type EncoderKind, loadEncoder } from './load.js';
export { MobileNetV2 } from './mobilenet-v2.js';
export { ResNet50 } from './resnet50.js';
export { SWIN_B_THREE_STAGES, type SwinConfig, SwinEncoder, SwinTransformer } from './swin.js';
