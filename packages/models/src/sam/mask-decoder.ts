import type { OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { Linear } from '../nn/linear.js';
import { Perceptron } from '../nn/mlp.js';
import { LayerNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
import { EMBEDDING_CHANNELS } from './image-encoder.js';
import { OutputTokens } from './output-tokens.js';
import { MAP_NORM_EPS } from './prompt-encoder.js';
import {
  type ImageProjections,
  type ImageTokens,
  type PromptTokens,
  TwoWayTransformer,
} from './two-way-transformer.js';

/** Masks that the network computes: one for clear prompts, then three for prompts that may mean several things. */
const MASK_TOKENS = 4;

/** Channels after the first and the second upscaling. */
const UP_CHANNELS = [64, 32] as const;

/** Masks of some prompts, before selection and at the network's resolution. */
export interface DecodedMasks {
  /** float32 [P, masks, 4 side, 4 side]. */
  logits: Tensor;
  /** Predicted IoU of all four masks, float32 [P, 4]. */
  iou: Tensor;
}

/** The layers behind the transformer, named as in the state dict. */
interface HeadLayers {
  outputUpscaling: readonly [Linear, LayerNorm, Linear];
  outputHypernetworksMlps: readonly Perceptron[];
  iouPredictionHead: Perceptron;
}

/** One perceptron for each mask, from its token to what it reads the upscaled map with. */
export async function loadHypernetworks(
  source: LayerSource,
  key: string,
  masks: number,
  channels: number,
  outputs: number,
): Promise<Perceptron[]> {
  const mlps: Perceptron[] = [];
  for (let i = 0; i < masks; i++) {
    const widths = [channels, channels, channels, outputs];
    mlps.push(await Perceptron.load(source, `${key}.output_hypernetworks_mlps.${i}`, widths));
  }
  return mlps;
}

/** Mask decoder (segment-anything, `modeling/mask_decoder.py`), batched over prompts of equally many tokens. */
export class MaskDecoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly transformer: TwoWayTransformer,
    readonly outputTokens: OutputTokens,
    private readonly layers: HeadLayers,
  ) {}

  static async load(source: LayerSource): Promise<MaskDecoder> {
    const key = 'mask_decoder';
    const [channels, [up1, up2]] = [EMBEDDING_CHANNELS, UP_CHANNELS];
    const tokens = [['iou_token', 1] as const, ['mask_tokens', MASK_TOKENS] as const];
    const head = [channels, channels, channels, MASK_TOKENS];
    return new MaskDecoder(
      source.ops,
      await TwoWayTransformer.load(source, `${key}.transformer`),
      await OutputTokens.load(source.weights, key, tokens, channels),
      {
        outputUpscaling: [
          await Linear.loadUpscaling(source, `${key}.output_upscaling.0`, channels, up1),
          await LayerNorm.load(source, `${key}.output_upscaling.1`, up1, MAP_NORM_EPS),
          await Linear.loadUpscaling(source, `${key}.output_upscaling.3`, up1, up2),
        ],
        outputHypernetworksMlps: await loadHypernetworks(source, key, MASK_TOKENS, channels, up2),
        iouPredictionHead: await Perceptron.load(source, `${key}.iou_prediction_head`, head),
      },
    );
  }

  /** See `TwoWayTransformer.project`. */
  project(image: ImageTokens): ImageProjections {
    return this.transformer.project(image);
  }

  /**
   * Decodes prompts against one image.
   *
   * @param prompts Tokens of the prompts, from `outputTokens.before`.
   * @param projections Of `image`; computed here if they are not given.
   * @param densePe Positional encoding of the embedding's grid, float32 [side^2, 256].
   * @param masks Which masks to make: [first, count] of the four.
   */
  decode(
    prompts: PromptTokens,
    image: ImageTokens,
    projections: ImageProjections | undefined,
    densePe: Tensor,
    [first, count]: readonly [first: number, count: number],
  ): DecodedMasks {
    const { ops, transformer } = this;
    const { outputHypernetworksMlps, iouPredictionHead } = this.layers;
    const { batch } = prompts;
    const side = Math.sqrt(densePe.shape[0]!);
    return tidyAll(() => {
      const projected = projections ?? transformer.project(image);
      const { tokens, image: seen } = transformer.forward(prompts, image, projected, densePe);
      const byPrompt = reshape(tokens, [batch, -1]);
      const features = tidy(() => this.#upscale(seen));
      seen.dispose();
      const mlps = outputHypernetworksMlps.slice(first, first + count);
      const vectors = ops.concatColumns(mlps.map((mlp, i) => ({ x: mlp.forward(byPrompt, { part: 1 + first + i }) })));
      return {
        logits: ops.maskLogits(features, reshape(vectors, [batch, count, UP_CHANNELS[1]]), [side, side]),
        iou: iouPredictionHead.forward(byPrompt, { part: 0 }),
      };
    });
  }

  /** [P * N, 256] to what `maskLogits` takes, [P * N * 4, 128]. */
  #upscale(image: Tensor): Tensor {
    const [first, norm, second] = this.layers.outputUpscaling;
    const blocks = reshape(first.forward(image), [image.shape[0]! * 4, UP_CHANNELS[0]]);
    return second.forward(norm.forward(blocks, 'gelu'), { activation: 'gelu' });
  }
}
