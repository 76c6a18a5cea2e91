import { type OpSet, ShapeError } from '@samtrack/kernels';
import { reshape, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { TinyViT } from '../encoders/tiny-vit.js';
import { inferVitDetConfig, PATCH, VIT_DET_CONFIGS, VitDet, type VitDetLoadOptions } from '../encoders/vit-det.js';
import { Replay } from '../nn/replay.js';
import type { LayerSource } from '../nn/source.js';
import { EMBEDDING_CHANNELS, EMBEDDING_STRIDE, type SamImageEncoder } from './image-encoder.js';
import { SamNeck } from './neck.js';

/** Side of the images that TinyViT is published for; unlike the plain transformer's, its weights do not tell. */
const TINY_VIT_IMAGE = 1024;

/** Options of `loadImageEncoder`. */
export interface ImageEncoderOptions extends VitDetLoadOptions {
  /** See `SamLoadOptions`. */
  replay?: boolean | undefined;
}

/** What comes before the neck. */
interface Backbone {
  /** From float32 [S, S, 3] to float32 [(S / 16)^2, channels]. */
  forward(image: Tensor, onTap?: (name: string, tensor: Tensor) => void): Tensor;
}

/**
 * Loads the image encoder of a Segment Anything or MobileSAM checkpoint, whole or with the encoder alone (then the keys have
 * no `image_encoder.` before them). Which of them it is, and its size, follow from keys and shapes.
 *
 * @param options `float16` concerns the plain transformers; TinyViT is small.
 * @throws CheckpointError naming the first key that is missing or misshapen.
 */
export async function loadImageEncoder(
  weights: WeightReader,
  ops: OpSet,
  { replay, ...options }: ImageEncoderOptions = {},
): Promise<SamImageEncoder> {
  const source: LayerSource = { weights, ops };
  const prefix = weights.has('neck.0.weight') ? '' : 'image_encoder.';
  const load = async (): Promise<{ backbone: Backbone; channels: number; imageSize: number }> => {
    if (weights.has(`${prefix}patch_embed.seq.0.c.weight`)) {
      const backbone = await TinyViT.load(weights, prefix, ops, options.onProgress);
      return { backbone, channels: TinyViT.channels, imageSize: TINY_VIT_IMAGE };
    }
    const config = vitDetConfig(weights, prefix);
    const backbone = await VitDet.load(weights, prefix, ops, config, options);
    return { backbone, channels: config.embed, imageSize: config.grid * PATCH };
  };
  const { backbone, channels, imageSize } = await load();
  const neck = await SamNeck.load(source, prefix, channels);
  const passes = new Replay({ ops, replay, shapes: 1 });
  return weights.own(new Encoder(imageSize, backbone, neck, passes, weights.handOver()));
}

/** The published configuration of this width and depth, or else what the shapes imply. */
function vitDetConfig(weights: WeightReader, prefix: string) {
  const [, , , embed] = weights.shape(`${prefix}pos_embed`);
  const published = Object.values(VIT_DET_CONFIGS).find((config) => {
    const last = (depth: number) => weights.has(`${prefix}blocks.${depth}.attn.qkv.weight`);
    return config.embed === embed && last(config.depth - 1) && !last(config.depth);
  });
  return published ?? inferVitDetConfig(weights, prefix);
}

class Encoder implements SamImageEncoder {
  constructor(
    readonly imageSize: number,
    private readonly backbone: Backbone,
    private readonly neck: SamNeck,
    private readonly replay: Replay,
    private readonly owned: { dispose(): void },
  ) {}

  encode(image: Tensor4D, onTap?: (name: string, tensor: Tensor) => void): Tensor4D {
    const { imageSize } = this;
    if (String(image.shape) !== String([1, imageSize, imageSize, 3])) {
      throw new ShapeError('encode', `an image of [1, ${imageSize}, ${imageSize}, 3]`, { image });
    }
    const side = imageSize / EMBEDDING_STRIDE;
    const embed = (inputs: { image: Tensor }): Tensor4D => {
      const tokens = this.backbone.forward(reshape(inputs.image, [imageSize, imageSize, 3]), onTap);
      return reshape(this.neck.forward(tokens, side), [1, side, side, EMBEDDING_CHANNELS]);
    };
    return this.replay.at('image').call({ image }, embed, { captured: !onTap });
  }

  dispose(): void {
    this.replay.dispose();
    this.owned.dispose();
  }
}
