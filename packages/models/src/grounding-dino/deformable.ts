import type { OpSet } from '@samtrack/kernels';
import { type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Linear, loadLinear, transposeLinear } from '../nn/parameters.js';
import { HEADS, HIDDEN, LEVELS, POINTS } from './config.js';
import { disposeParameters } from './layers.js';
import type { LevelSize } from './types.js';

/** Offsets of the sampling points, and the logits of their weights. */
const OFFSETS = HEADS * LEVELS * POINTS * 2;
const WEIGHTS = HEADS * LEVELS * POINTS;

/** Multi-scale deformable attention with its linear layers (GroundingDINO, `ms_deform_attn.py`). */
export class DeformableAttention {
  private constructor(
    private readonly ops: OpSet,
    private readonly p: { value: Linear; sampling: Linear; out: Linear },
  ) {}

  static async load(weights: WeightReader, key: string, ops: OpSet): Promise<DeformableAttention> {
    return new DeformableAttention(ops, {
      value: await loadLinear(weights, `${key}.value_proj`, HIDDEN, HIDDEN),
      sampling: await loadSampling(weights, key),
      out: await loadLinear(weights, `${key}.output_proj`, HIDDEN, HIDDEN),
    });
  }

  /**
   * @param query float32 [Q, 256], positions included.
   * @param references float32 [Q, 2], points, or [Q, 4], boxes, as shares of the image.
   * @param memory What is looked at: the levels one after the other, float32 [S, 256].
   * @param residual Added to the result, float32 [Q, 256].
   */
  forward(query: Tensor, references: Tensor, memory: Tensor, levels: readonly LevelSize[], residual: Tensor): Tensor {
    const { ops } = this;
    const { value, sampling, out } = this.p;
    return tidy(() => {
      const sampled = tidy(() => {
        const values = ops.gemm(memory, value.weight, { bias: value.bias });
        const points = ops.gemm(query, sampling.weight, { bias: sampling.bias });
        return ops.deformableAttention(values, points, references, { levels, heads: HEADS, points: POINTS });
      });
      return ops.gemm(sampled, out.weight, { bias: out.bias, residual });
    });
  }

  dispose(): void {
    disposeParameters(this.p);
  }
}

/** Offsets and weights side by side, so that one product computes them. */
async function loadSampling(weights: WeightReader, key: string): Promise<Linear> {
  const joint = new Float32Array((OFFSETS + WEIGHTS) * HIDDEN);
  joint.set(await weights.take(`${key}.sampling_offsets.weight`, [OFFSETS, HIDDEN]));
  joint.set(await weights.take(`${key}.attention_weights.weight`, [WEIGHTS, HIDDEN]), OFFSETS * HIDDEN);
  const bias = new Float32Array(OFFSETS + WEIGHTS);
  bias.set(await weights.take(`${key}.sampling_offsets.bias`, [OFFSETS]));
  bias.set(await weights.take(`${key}.attention_weights.bias`, [WEIGHTS]), OFFSETS);
  return {
    weight: weights.own(tensor(transposeLinear(joint, HIDDEN, 0, OFFSETS + WEIGHTS), [HIDDEN, OFFSETS + WEIGHTS])),
    bias: weights.own(tensor(bias)),
  };
}
