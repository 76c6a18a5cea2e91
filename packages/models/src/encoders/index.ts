export type { Encoder } from './encoder.js';
export { type EncoderKind, loadEncoder } from './load.js';
export { MobileNetV2, MobileNetV2Trunk } from './mobilenet-v2.js';
export { ResNet50 } from './resnet50.js';
export { type SwinConfig, SwinTransformer } from './swin.js';
