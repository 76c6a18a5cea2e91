import type { OpSet } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, convLayout, loadAffine, transposeLinear } from '../nn/parameters.js';
import { EMBEDDING_CHANNELS } from './image-encoder.js';

const EPSILON = 1e-6;

/** Two convolutions with normalisations of the channels, from the encoder's tokens to the embedding. */
export class SamNeck {
  private constructor(
    private readonly ops: OpSet,
    /** Point-wise, float32 [channels, outputs]. */
    private readonly conv1: Tensor,
    private readonly norm1: Affine,
    /** float32 [3, 3, outputs, outputs]. */
    private readonly conv2: Tensor,
    private readonly norm2: Affine,
  ) {}

  /** @throws CheckpointError naming the first key that is missing or misshapen. */
  static async load(
    weights: WeightReader,
    prefix: string,
    channels: number,
    ops: OpSet,
    outputs = EMBEDDING_CHANNELS,
  ): Promise<SamNeck> {
    const n = outputs;
    const pointwise = await weights.take(`${prefix}neck.0.weight`, [n, channels, 1, 1]);
    const norm1 = await loadAffine(weights, [`${prefix}neck.1`], n);
    const shape = [n, n, 3, 3] as const;
    const square = convLayout(await weights.take(`${prefix}neck.2.weight`, shape), shape);
    return new SamNeck(
      ops,
      weights.own(tensor(transposeLinear(pointwise, channels, 0, n), [channels, n])),
      norm1,
      weights.own(tensor(square, [3, 3, n, n])),
      await loadAffine(weights, [`${prefix}neck.3`], n),
    );
  }

  /**
   * @param tokens float32 [side^2, channels]; disposed.
   * @returns float32 [side, side, outputs].
   */
  forward(tokens: Tensor, side: number): Tensor {
    const { ops, conv1, norm1, conv2, norm2 } = this;
    const narrow = ops.gemm(tokens, conv1);
    tokens.dispose();
    const normal = ops.layerNorm(reshape(narrow, [side, side, -1]), norm1.weight, norm1.bias, { eps: EPSILON });
    narrow.dispose();
    const mixed = ops.conv2d(normal, conv2, { padding: 1 });
    normal.dispose();
    return ops.layerNorm(mixed, norm2.weight, norm2.bias, { eps: EPSILON });
  }

  dispose(): void {
    for (const layer of [this.norm1, this.norm2]) dispose({ ...layer });
    dispose([this.conv1, this.conv2]);
  }
}
