import { type Tensor2D, tidy } from '@tensorflow/tfjs-core';
import { Linear } from '../../nn/linear.js';
import type { LayerSource } from '../../nn/source.js';
import { BERT_HIDDEN, HIDDEN } from '../config.js';
import type { TextFeatures } from '../types.js';
import { Bert, type BertInputs } from './bert.js';
import type { CaptionTokens } from './caption.js';

/** BERT and the projection of its output to the width of the detector. */
export class TextBranch {
  private constructor(
    private readonly bert: Bert,
    private readonly featMap: Linear,
  ) {}

  /** @param layers Layers of BERT. @throws CheckpointError naming the first key that is missing or misshapen. */
  static async load(source: LayerSource, layers: number): Promise<TextBranch> {
    const bert = await Bert.load(source, 'bert.', layers);
    return new TextBranch(bert, await Linear.load(source, 'feat_map', BERT_HIDDEN, HIDDEN));
  }

  /** Encodes a caption. The caller disposes `features`. */
  encode(caption: CaptionTokens): TextFeatures {
    return featuresOf(
      caption,
      tidy(() => this.forward(this.inputs(caption))),
    );
  }

  /** What is computed on the CPU. The caller disposes it. */
  inputs({ ids, mask, positionIds }: CaptionTokens): BertInputs {
    return this.bert.inputs(ids, mask, positionIds);
  }

  /** Features of the tokens, float32 [L, 256], which the caller disposes. */
  forward(inputs: BertInputs): Tensor2D {
    return tidy(() => this.featMap.forward(this.bert.forward(inputs)) as Tensor2D);
  }
}

/** A caption and the features of its tokens, all of which count. */
export function featuresOf({ ids, mask, positionIds }: CaptionTokens, features: Tensor2D): TextFeatures {
  return { features, mask, positionIds, tokenMask: new Uint8Array(ids.length).fill(1) };
}
