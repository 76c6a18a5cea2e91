import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';

/** What the text branch makes of a caption of L tokens, [CLS] and [SEP] included; at most 256 of them. */
export interface TextFeatures {
  /** Projected token features (`feat_map`), float32 [L, 256]. Whoever made them disposes them. */
  readonly features: Tensor2D;
  /**
   * Sub-sentence mask, row-major [L, L]: 1 where the token of the row attends to the token of the column. Every token
   * attends at least to itself.
   */
  readonly mask: Uint8Array;
  /** Position of each token within its sub-sentence, L values. */
  readonly positionIds: Int32Array;
  /** 1 for each of the L tokens that the image may attend to; 0 for padding. [CLS], [SEP] and full stops count as tokens. */
  readonly tokenMask: Uint8Array;
}

/** Size of a feature map. */
export interface LevelSize {
  readonly height: number;
  readonly width: number;
}

/** The feature pyramid of an image. It depends on the image alone, so many captions can be asked of it. */
export interface ImageFeatures {
  /** The four levels one after the other, each row by row: float32 [S, 256]. */
  readonly tokens: Tensor2D;
  /** From stride 8 to stride 64. */
  readonly levels: readonly LevelSize[];
  dispose(): void;
}

/** What the network says, before any threshold. */
export interface RawDetections {
  readonly queries: number;
  /** Tokens of the caption, L. */
  readonly tokens: number;
  /** Row-major [queries, L]; masked tokens have -Infinity. Its sigmoid is how well a query fits a token. */
  readonly logits: Float32Array;
  /** Row-major [queries, 4]: centre x, centre y, width and height as shares of the image. */
  readonly boxes: Float32Array;
}

/** Shows intermediate results, named as in the published implementation; the tensor is disposed afterwards. */
export type OnTap = (name: string, tensor: Tensor) => void;
