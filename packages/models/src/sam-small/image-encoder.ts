import type { OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { MobileNetV2Trunk } from '../encoders/index.js';
import { MixingBlock } from '../nn/mixing-block.js';
import { type Linear, loadLinear } from '../nn/parameters.js';
import { SamNeck } from '../sam/neck.js';
import { CHANNELS, MAPS, SIDE, UP } from './shape.js';

const BLOCKS = 2;

/** What the prompts of an image share. */
export interface ImageFeatures {
  /** float32 [32^2, 128]. */
  embedding: Tensor;
  /** What is added at stride 8, float32 [64^2, 64]. */
  skip8: Tensor;
  /** What is added at stride 4, float32 [128^2, 32]. */
  skip4: Tensor;
}

/** The tracker's MobileNetV2 up to stride 16, a neck behind it, and what its finer maps add to the masks (SAM 2's high-resolution skips). */
export class SmallImageEncoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly trunk: MobileNetV2Trunk,
    private readonly neck: SamNeck,
    private readonly blocks: readonly MixingBlock[],
    private readonly skip8: Linear,
    private readonly skip4: Linear,
  ) {}

  /** @param tracker Weights of the tracker, whose `encoder.` is shared. */
  static async load(weights: WeightReader, tracker: WeightReader, ops: OpSet): Promise<SmallImageEncoder> {
    const trunk = await MobileNetV2Trunk.load(tracker, 'encoder.', ops);
    const neck = await SamNeck.load(weights, 'image_encoder.', MAPS.f16, ops, CHANNELS);
    const shape = { channels: CHANNELS, kernel: 5, hidden: 2 * CHANNELS };
    const blocks: MixingBlock[] = [];
    for (let i = 0; i < BLOCKS; i++)
      blocks.push(await MixingBlock.load(weights, `image_encoder.blocks.${i}`, ops, shape));
    return new SmallImageEncoder(
      ops,
      trunk,
      neck,
      blocks,
      await loadLinear(weights, 'mask_decoder.conv_s1', MAPS.f8, UP[0], { pointwise: true }),
      await loadLinear(weights, 'mask_decoder.conv_s0', MAPS.f4, UP[1], { pointwise: true }),
    );
  }

  /**
   * @param image float32 [512, 512, 4]: normalised RGB, zeros at the right and at the bottom, and a zero channel.
   * @param onTap Sees the encoder's maps `f4`, `f8` and `f16`. It may not keep them.
   */
  encode(image: Tensor, onTap?: (name: string, tensor: Tensor) => void): ImageFeatures {
    const { ops, skip8, skip4 } = this;
    return tidy(() => {
      const { f4, f8, f16 } = this.trunk.maps(image);
      for (const [name, map] of Object.entries({ f4, f8, f16 })) onTap?.(name, map);
      const rows = (map: Tensor) => reshape(map, [-1, map.shape[2]!]);
      let embedding = this.neck.forward(rows(f16), SIDE);
      for (const block of this.blocks) embedding = block.forward(embedding);
      return {
        embedding: rows(embedding),
        skip8: ops.gemm(rows(f8), skip8.weight, { bias: skip8.bias }),
        skip4: ops.gemm(rows(f4), skip4.weight, { bias: skip4.bias }),
      } as never;
    }) as ImageFeatures;
  }
}
