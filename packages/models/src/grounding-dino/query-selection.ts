import type { OpSet } from '@samtrack/kernels';
import {
  add,
  gather,
  max,
  mul,
  sigmoid,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tensor1d,
  tensor2d,
  tidy,
} from '@tensorflow/tfjs-core';
import { Linear } from '../nn/linear.js';
import { Perceptron } from '../nn/mlp.js';
import { LayerNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
import { HIDDEN } from './config.js';
import { proposalLogits } from './positions.js';
import type { LevelSize, OnTap } from './types.js';

/** A logit whose sigmoid is 1 in float32, and stays so whatever is added. */
const CERTAIN = 1e4;

/** What is known of the image tokens before some of them are chosen. */
export interface ScoredTokens {
  /** float32 [S, 256]. */
  tokens: Tensor;
  /** How well each fits its best text token, float32 [S]. */
  best: Tensor;
}

/** Image tokens that queries start at. */
export interface ChosenTokens {
  indices: Tensor1D;
  start: Tensor2D;
}

/**
 * Chooses where the decoder starts: the image tokens that fit the text best, each with the box around it that it proposes
 * (GroundingDINO, `transformer.py`, two-stage "standard"). Only the boxes are used, the decoder's queries are learned.
 */
export class QuerySelection {
  private constructor(
    private readonly ops: OpSet,
    private readonly encOutput: Linear,
    private readonly encOutputNorm: LayerNorm,
    private readonly encOutBboxEmbed: Perceptron,
  ) {}

  static async load(source: LayerSource): Promise<QuerySelection> {
    return new QuerySelection(
      source.ops,
      await Linear.load(source, 'transformer.enc_output', HIDDEN, HIDDEN),
      await LayerNorm.load(source, 'transformer.enc_output_norm', HIDDEN),
      await Perceptron.load(source, 'transformer.enc_out_bbox_embed', [HIDDEN, HIDDEN, HIDDEN, 4]),
    );
  }

  /**
   * Scores the image tokens.
   * @param valid Where proposals keep clear of the edges 1, else 0: float32 [S, 1].
   * @param scorer Text features transposed, float32 [256, Lp], and what is added to the scores, -1e30 for columns that do not count.
   */
  score(image: Tensor, valid: Tensor, scorer: { text: Tensor; bias: Tensor }, onTap?: OnTap): ScoredTokens {
    return tidyAll(() => {
      const tokens = tidy(() => this.encOutputNorm.forward(this.encOutput.forward(mul(image, valid))));
      onTap?.('two_stage.memory', tokens);
      return { tokens, best: max(this.ops.gemm(tokens, scorer.text, { bias: scorer.bias }), 1) };
    });
  }

  /**
   * The tokens to start at, in descending score; among equals, in their order.
   * @param count How many are wanted.
   * @returns Their indices, int32 [N], and the logits of the boxes around them, float32 [N, 4]. N is `count`, or fewer where
   *   there are not so many.
   */
  choose(scores: Float32Array, levels: readonly LevelSize[], count: number, rank = highest): ChosenTokens {
    const chosen = rank(scores, count);
    return {
      indices: tensor1d(chosen, 'int32'),
      start: tensor2d(proposalLogits(levels, chosen, CERTAIN), [chosen.length, 4]),
    };
  }

  /** The boxes that chosen tokens propose, float32 [N, 4]. @param tokens As `score` gives them. */
  boxes(tokens: Tensor, { indices, start }: ChosenTokens): Tensor {
    return tidy(() => sigmoid(add(this.encOutBboxEmbed.forward(gather(tokens, indices)), start)));
  }
}

/** Indices of the `count` highest scores in descending order, equal ones by index; fewer where there are not so many. */
export function highest(scores: Float32Array, count: number): Int32Array {
  // Sorting numbers is fast, sorting by a function is not: first the score that decides, then those that reach it.
  const threshold = scores.length > count ? scores.slice().sort()[scores.length - count]! : Number.NEGATIVE_INFINITY;
  const candidates: number[] = [];
  for (let i = 0; i < scores.length; i++) if (!(scores[i]! < threshold)) candidates.push(i);
  candidates.sort((a, b) => scores[b]! - scores[a]! || a - b);
  return Int32Array.from(candidates.slice(0, count));
}
