import { reshape, type Tensor } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { MobileNetV2Trunk } from '../encoders/index.js';
import { Linear } from '../nn/linear.js';
import { MixingBlock } from '../nn/mixing-block.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
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
    private readonly trunk: MobileNetV2Trunk,
    private readonly neck: SamNeck,
    private readonly blocks: readonly MixingBlock[],
    private readonly convS1: Linear,
    private readonly convS0: Linear,
  ) {}

  /** @param tracker Weights of the tracker, whose `encoder.` is shared. */
  static async load(source: LayerSource, tracker: WeightReader): Promise<SmallImageEncoder> {
    const trunk = await MobileNetV2Trunk.load(tracker, 'encoder.', source.ops);
    const neck = await SamNeck.load(source, 'image_encoder.', MAPS.f16, CHANNELS);
    const shape = { channels: CHANNELS, kernel: 5, hidden: 2 * CHANNELS };
    const blocks: MixingBlock[] = [];
    for (let i = 0; i < BLOCKS; i++) blocks.push(await MixingBlock.load(source, `image_encoder.blocks.${i}`, shape));
    return new SmallImageEncoder(
      trunk,
      neck,
      blocks,
      await Linear.load(source, 'mask_decoder.conv_s1', MAPS.f8, UP[0], { pointwise: true }),
      await Linear.load(source, 'mask_decoder.conv_s0', MAPS.f4, UP[1], { pointwise: true }),
    );
  }

  /**
   * @param image float32 [512, 512, 4]: normalised RGB, zeros at the right and at the bottom, and a zero channel.
   * @param onTap Sees the encoder's maps `f4`, `f8` and `f16`. It may not keep them.
   */
  encode(image: Tensor, onTap?: (name: string, tensor: Tensor) => void): ImageFeatures {
    return tidyAll(() => {
      const { f4, f8, f16 } = this.trunk.maps(image);
      for (const [name, map] of Object.entries({ f4, f8, f16 })) onTap?.(name, map);
      const rows = (map: Tensor) => reshape(map, [-1, map.shape[2]!]);
      let embedding = this.neck.forward(rows(f16), SIDE);
      for (const block of this.blocks) embedding = block.forward(embedding);
      return {
        embedding: rows(embedding),
        skip8: this.convS1.forward(rows(f8)),
        skip4: this.convS0.forward(rows(f4)),
      };
    });
  }
}
