import type { OpSet } from '@samtrack/kernels';
import { type Tensor, tidy } from '@tensorflow/tfjs-core';
import { Linear } from '../nn/linear.js';
import type { LayerSource } from '../nn/source.js';
import { HEADS, HIDDEN, LEVELS, POINTS } from './config.js';
import type { LevelSize } from './types.js';

/** Offsets of the sampling points, and the logits of their weights. */
const OFFSETS = HEADS * LEVELS * POINTS * 2;
const WEIGHTS = HEADS * LEVELS * POINTS;

/** Multi-scale deformable attention with its linear layers (GroundingDINO, `ms_deform_attn.py`). */
export class DeformableAttention {
  private constructor(
    private readonly ops: OpSet,
    private readonly valueProj: Linear,
    /** To offsets and weights side by side. */
    private readonly sampling: Linear,
    private readonly outputProj: Linear,
  ) {}

  static async load(source: LayerSource, key: string): Promise<DeformableAttention> {
    const part = (name: string, outputs: number) => [`${key}.${name}.weight`, `${key}.${name}.bias`, outputs] as const;
    const sampling = [part('sampling_offsets', OFFSETS), part('attention_weights', WEIGHTS)];
    return new DeformableAttention(
      source.ops,
      await Linear.load(source, `${key}.value_proj`, HIDDEN, HIDDEN),
      await Linear.loadJoined(source, sampling, HIDDEN),
      await Linear.load(source, `${key}.output_proj`, HIDDEN, HIDDEN),
    );
  }

  /**
   * @param query float32 [Q, 256], positions included.
   * @param references float32 [Q, 2], points, or [Q, 4], boxes, as shares of the image.
   * @param memory What is looked at: the levels one after the other, float32 [S, 256].
   * @param residual Added to the result, float32 [Q, 256].
   */
  forward(query: Tensor, references: Tensor, memory: Tensor, levels: readonly LevelSize[], residual: Tensor): Tensor {
    return tidy(() => {
      const sampled = tidy(() => {
        const [values, points] = [this.valueProj.forward(memory), this.sampling.forward(query)];
        return this.ops.deformableAttention(values, points, references, { levels, heads: HEADS, points: POINTS });
      });
      return this.outputProj.forward(sampled, { residual });
    });
  }
}
