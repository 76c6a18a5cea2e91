import type { OpSet } from '@samtrack/kernels';
import { dispose, type Tensor2D, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../../checkpoint/index.js';
import { type Linear, loadLinear } from '../../nn/parameters.js';
import { BERT_HIDDEN, HIDDEN } from '../config.js';
import type { TextFeatures } from '../types.js';
import { Bert, type BertInputs } from './bert.js';
import type { CaptionTokens } from './caption.js';

/** BERT and the projection of its output to the width of the detector. */
export class TextBranch {
  private constructor(
    private readonly ops: OpSet,
    private readonly bert: Bert,
    private readonly projection: Linear,
  ) {}

  /** @param layers Layers of BERT. @throws CheckpointError naming the first key that is missing or misshapen. */
  static async load(weights: WeightReader, layers: number, ops: OpSet): Promise<TextBranch> {
    const bert = await Bert.load(weights, 'bert.', layers, ops);
    return new TextBranch(ops, bert, await loadLinear(weights, 'feat_map', BERT_HIDDEN, HIDDEN));
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
    return tidy(() => {
      const hidden = this.bert.forward(inputs);
      return this.ops.gemm(hidden, this.projection.weight, { bias: this.projection.bias }) as Tensor2D;
    });
  }

  dispose(): void {
    this.bert.dispose();
    dispose({ ...this.projection });
  }
}

/** A caption and the features of its tokens, all of which count. */
export function featuresOf({ ids, mask, positionIds }: CaptionTokens, features: Tensor2D): TextFeatures {
  return { features, mask, positionIds, tokenMask: new Uint8Array(ids.length).fill(1) };
}
