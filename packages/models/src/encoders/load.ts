import type { OpSet } from '@samtrack/kernels';
import type { WeightReader } from '../checkpoint/index.js';
import type { Encoder } from './encoder.js';
import { MobileNetV2 } from './mobilenet-v2.js';
import { ResNet50 } from './resnet50.js';
import { SwinEncoder } from './swin.js';

/** The image encoders. */
export type EncoderKind = 'mobilenet-v2' | 'resnet-50' | 'swin-b';

const LOADERS: Record<EncoderKind, (weights: WeightReader, prefix: string, ops: OpSet) => Promise<Encoder>> = {
  'mobilenet-v2': MobileNetV2.load,
  'resnet-50': ResNet50.load,
  'swin-b': SwinEncoder.load,
};

/** Loads an encoder whose keys start with `prefix`, the dot included. */
export const loadEncoder = (kind: EncoderKind, weights: WeightReader, prefix: string, ops: OpSet): Promise<Encoder> =>
  LOADERS[kind](weights, prefix, ops);
