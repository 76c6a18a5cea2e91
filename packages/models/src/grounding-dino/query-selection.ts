import { getRuntime, type OpSet } from '@samtrack/kernels';
import { add, dispose, gather, max, mul, sigmoid, type Tensor, tensor1d, tensor2d, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, type Linear, loadAffine, loadLinear } from '../nn/parameters.js';
import { HIDDEN } from './config.js';
import type { Streams } from './fusion.js';
import { disposeParameters, loadPerceptron, perceptron } from './layers.js';
import { proposalLogits, validProposals } from './positions.js';
import type { LevelSize, OnTap } from './types.js';

/** A logit whose sigmoid is 1 in float32, and stays so whatever is added. */
const CERTAIN = 1e4;

/**
 * Chooses where the decoder starts: the image tokens that fit the text best, each with the box around it that it proposes
 * (GroundingDINO, `transformer.py`, two-stage "standard"). Only the boxes are used, the decoder's queries are learned.
 */
export class QuerySelection {
  private constructor(
    private readonly ops: OpSet,
    private readonly p: { output: Linear; norm: Affine },
    private readonly boxHead: readonly Linear[],
  ) {}

  static async load(weights: WeightReader, ops: OpSet): Promise<QuerySelection> {
    return new QuerySelection(
      ops,
      {
        output: await loadLinear(weights, 'transformer.enc_output', HIDDEN, HIDDEN),
        norm: await loadAffine(weights, ['transformer.enc_output_norm'], HIDDEN),
      },
      await loadPerceptron(weights, 'transformer.enc_out_bbox_embed', [HIDDEN, HIDDEN, HIDDEN, 4]),
    );
  }

  /**
   * @param scorer Text features transposed, float32 [256, Lp], and what is added to the scores, -1e30 for columns that do not count.
   * @param count Boxes wanted.
   * @returns The boxes, float32 [count, 4], in descending score; among equals, in the order of the tokens.
   */
  async select(
    memory: Streams,
    levels: readonly LevelSize[],
    scorer: { text: Tensor; bias: Tensor },
    count: number,
    { rank = highest, onTap }: { rank?: (scores: Float32Array, count: number) => Int32Array; onTap?: OnTap } = {},
  ): Promise<Tensor> {
    const { ops } = this;
    const { output, norm } = this.p;
    const tokens = tidy(() => {
      const valid = validProposals(levels);
      const kept = mul(memory.image, tensor2d(valid, [valid.length, 1]));
      const projected = ops.gemm(kept, output.weight, { bias: output.bias });
      return ops.layerNorm(projected, norm.weight, norm.bias);
    });
    onTap?.('two_stage.memory', tokens);
    const best = tidy(() => max(ops.gemm(tokens, scorer.text, { bias: scorer.bias }), 1));
    const scores = new Float32Array(await getRuntime().read(best));
    best.dispose();

    const chosen = rank(scores, count);
    const start = proposalLogits(levels, chosen, CERTAIN);
    return tidy(() => {
      const moves = perceptron(ops, this.boxHead, gather(tokens, tensor1d(chosen, 'int32')));
      tokens.dispose();
      return sigmoid(add(moves, tensor2d(start, [chosen.length, 4])));
    });
  }

  dispose(): void {
    disposeParameters(this.p);
    for (const { weight, bias } of this.boxHead) dispose([weight, bias]);
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
