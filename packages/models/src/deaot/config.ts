import type { EncoderKind } from '../encoders/index.js';

/** What distinguishes the published DeAOT models (aot-benchmark, `configs/models/*`). */
export interface DeAotConfig {
  readonly name: DeAotName;
  readonly encoder: EncoderKind;
  /** Channels of the maps at strides 4, 8 and 16, and of the last one. */
  readonly channels: readonly [f4: number, f8: number, f16: number, last: number];
  /** Gated propagation modules. */
  readonly layers: number;
  /** A predicted frame joins the long-term memory every so many frames; Infinity: reference frames only. */
  readonly longTermGap: number;
  /** Corner convention of all bilinear interpolation. */
  readonly alignCorners: boolean;
  readonly idBank: { readonly kernel: number; readonly stride: number; readonly padding: number };
}

/** Names of the published models. */
export type DeAotName = 'deaot-t' | 'deaot-s' | 'deaot-b' | 'deaot-l' | 'r50-deaot-l' | 'swinb-deaot-l';

/** Channels of the visual and of the ID stream. */
export const EMBED = 256;
/** Channels of queries and keys; one head. */
export const KEY_CHANNELS = 128;
/** Channels of the values of one stream. */
export const VALUE_CHANNELS = 512;
/** Side of the short-term window, in tokens. */
export const WINDOW = 15;
/** Objects that one group of memories can tell apart. */
export const GROUP_OBJECTS = 10;

const mobile = {
  encoder: 'mobilenet-v2',
  channels: [24, 32, 96, 1280],
  alignCorners: true,
  idBank: { kernel: 17, stride: 16, padding: 8 },
} as const;

/** The published models. B and L share an architecture and differ in how memory was used in training. */
export const DEAOT_CONFIGS: Readonly<Record<DeAotName, DeAotConfig>> = {
  'deaot-t': { ...mobile, name: 'deaot-t', layers: 1, longTermGap: Number.POSITIVE_INFINITY },
  'deaot-s': { ...mobile, name: 'deaot-s', layers: 2, longTermGap: Number.POSITIVE_INFINITY },
  'deaot-b': { ...mobile, name: 'deaot-b', layers: 3, longTermGap: Number.POSITIVE_INFINITY },
  'deaot-l': { ...mobile, name: 'deaot-l', layers: 3, longTermGap: 5 },
  'r50-deaot-l': {
    ...mobile,
    name: 'r50-deaot-l',
    encoder: 'resnet-50',
    channels: [256, 512, 1024, 1024],
    layers: 3,
    longTermGap: 5,
  },
  'swinb-deaot-l': {
    name: 'swinb-deaot-l',
    encoder: 'swin-b',
    channels: [128, 256, 512, 512],
    layers: 3,
    longTermGap: 5,
    alignCorners: false,
    idBank: { kernel: 16, stride: 16, padding: 0 },
  },
};
