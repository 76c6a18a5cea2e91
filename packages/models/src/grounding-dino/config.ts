import type { SwinConfig } from '../encoders/index.js';

/** Names of the published models. */
export type GroundingDinoName = 'grounding-dino-t' | 'grounding-dino-b';

/** What distinguishes Grounding DINO models (GroundingDINO, `groundingdino/config/*.py`). */
export interface GroundingDinoConfig {
  readonly backbone: SwinConfig;
  /** Layers of BERT. */
  readonly textLayers: number;
  readonly encoderLayers: number;
  readonly decoderLayers: number;
  /** Boxes that the decoder refines. */
  readonly queries: number;
}

/** Channels of image tokens, text tokens and queries. */
export const HIDDEN = 256;
/** Heads of deformable attention and of the decoder's attentions. */
export const HEADS = 8;
/** Levels of the feature pyramid. */
export const LEVELS = 4;
/** Sampling points of a head on each level. */
export const POINTS = 4;
/** Channels between the two linear layers of an encoder or decoder layer. */
export const FFN_HIDDEN = 2048;
/** Heads of the attention between image and text, of 256 channels each. */
export const FUSION_HEADS = 4;
/** Heads of the text enhancer, and the channels between its two linear layers. */
export const TEXT_HEADS = 4;
export const TEXT_FFN_HIDDEN = 1024;
/** Channels of BERT's output. */
export const BERT_HIDDEN = 768;
/** Most tokens of a caption. */
export const MAX_TEXT_TOKENS = 256;

const shared = { textLayers: 12, encoderLayers: 6, decoderLayers: 6, queries: 900 } as const;

/** The published models: Swin-T trained on O365, GoldG and Cap4M, Swin-B with COCO and RefCOCO as well. */
export const GROUNDING_DINO_CONFIGS: Readonly<Record<GroundingDinoName, GroundingDinoConfig>> = {
  'grounding-dino-t': {
    ...shared,
    backbone: { embed: 96, depths: [2, 2, 6, 2], heads: [3, 6, 12, 24], window: 7, exported: [1, 2, 3] },
  },
  'grounding-dino-b': {
    ...shared,
    backbone: { embed: 128, depths: [2, 2, 18, 2], heads: [4, 8, 16, 32], window: 12, exported: [1, 2, 3] },
  },
};
