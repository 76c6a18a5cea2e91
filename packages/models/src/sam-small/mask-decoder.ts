import type { OpSet } from '@samtrack/kernels';
import { reshape, slice, type Tensor, tensor, transpose } from '@tensorflow/tfjs-core';
import { Linear } from '../nn/linear.js';
import { MixingBlock } from '../nn/mixing-block.js';
import { Perceptron } from '../nn/mlp.js';
import { LayerNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
import { type DecodedMasks, loadHypernetworks } from '../sam/mask-decoder.js';
import { OutputTokens } from '../sam/output-tokens.js';
import { Downscaling, MAP_NORM_EPS } from '../sam/prompt-encoder.js';
import { type TokenMixer, TwoWayTransformer } from '../sam/two-way-transformer.js';
import type { ImageFeatures } from './image-encoder.js';
import { CHANNELS, DENSE, DOWN, LOW_RES, SIDE, UP } from './shape.js';

const KEY = 'mask_decoder';
const PROMPT_KEY = 'prompt_encoder.mask_downscaling';
/** Masks: one for clear prompts, then three for prompts that may mean several things. */
const MASKS = 4;
const WIDTHS = { channels: CHANNELS, cross: CHANNELS, mlp: 512 };

/** A prompt as the decoder takes it. */
export interface PromptTensors {
  /** Output tokens and those of the prompt, float32 [T, 128]. */
  tokens: Tensor;
  /** Where each token looks at the embedding, float32 [T, 32^2]. */
  weights: Tensor;
  /** The prompt as a picture, float32 [128^2, 4]. */
  dense: Tensor;
}

/** The layers beside the transformer, named as in the state dict. */
interface DecoderLayers {
  maskDownscaling: readonly [Downscaling, Downscaling, Linear];
  outputUpscaling: readonly [Linear, LayerNorm, Linear];
  mixer8: MixingBlock;
  mixer4: MixingBlock;
  convP1: Linear;
  convP0: Linear;
  outputHypernetworksMlps: readonly Perceptron[];
  iouPredictionHead: Perceptron;
}

/** SAM's mask decoder in 128 channels. The image's tokens mix with their neighbours, and finer maps of image and prompt join on the way up. */
export class SmallMaskDecoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly transformer: TwoWayTransformer,
    /** Positional encoding of the embedding's grid, float32 [32^2, 128]. */
    private readonly densePe: Tensor,
    readonly outputTokens: OutputTokens,
    private readonly layers: DecoderLayers,
  ) {}

  /** @param grid Positional encoding of the embedding's grid, flat. */
  static async load(source: LayerSource, grid: Float32Array): Promise<SmallMaskDecoder> {
    const { weights, ops } = source;
    const wide = { channels: CHANNELS, kernel: 5, hidden: 2 * CHANNELS };
    const mixers: TokenMixer[] = [];
    for (const layer of [0, 1]) {
      const mixer = await MixingBlock.load(source, `${KEY}.transformer.layers.${layer}.mixer`, wide);
      const map = [SIDE, SIDE, CHANNELS];
      mixers.push({ forward: (image) => reshape(mixer.forward(reshape(image, map)), image.shape) });
    }
    const mixer = (name: string, channels: number) =>
      MixingBlock.load(source, `${KEY}.${name}`, { channels, kernel: 3, hidden: channels });
    const tokens = [['iou_token', 1] as const, ['mask_tokens', MASKS] as const];
    const head = [CHANNELS, CHANNELS, CHANNELS, MASKS];
    return new SmallMaskDecoder(
      ops,
      await TwoWayTransformer.load(source, `${KEY}.transformer`, WIDTHS, mixers),
      weights.own(tensor(grid, [SIDE * SIDE, CHANNELS])),
      await OutputTokens.load(weights, KEY, tokens, CHANNELS),
      {
        maskDownscaling: [
          await Downscaling.load(source, PROMPT_KEY, 0, DENSE, DOWN[0]),
          await Downscaling.load(source, PROMPT_KEY, 3, DOWN[0], DOWN[1]),
          await Linear.load(source, `${PROMPT_KEY}.6`, DOWN[1], CHANNELS, { pointwise: true }),
        ],
        outputUpscaling: [
          await Linear.loadUpscaling(source, `${KEY}.output_upscaling.0`, CHANNELS, UP[0]),
          await LayerNorm.load(source, `${KEY}.output_upscaling.1`, UP[0], MAP_NORM_EPS),
          await Linear.loadUpscaling(source, `${KEY}.output_upscaling.3`, UP[0], UP[1]),
        ],
        mixer8: await mixer('mixer8', UP[0]),
        mixer4: await mixer('mixer4', UP[1]),
        convP1: await Linear.load(source, `${KEY}.conv_p1`, DOWN[0], UP[0], { pointwise: true }),
        convP0: await loadJoin(source, `${KEY}.conv_p0`),
        outputHypernetworksMlps: await loadHypernetworks(source, KEY, MASKS, CHANNELS, UP[1]),
        iouPredictionHead: await Perceptron.load(source, `${KEY}.iou_prediction_head`, head),
      },
    );
  }

  /**
   * Decodes one prompt.
   * @param masks Which of the four masks: [first, count].
   * @returns logits float32 [1, count, 128, 128], and the predicted IoU of all four, float32 [1, 4].
   */
  decode(
    { tokens: given, weights, dense }: PromptTensors,
    { embedding, skip8, skip4 }: ImageFeatures,
    [first, count]: readonly [first: number, count: number],
  ): DecodedMasks {
    const { ops, transformer, densePe, layers } = this;
    const [up1, norm, up2] = layers.outputUpscaling;
    return tidyAll(() => {
      // What the image shows at a point or in a box is a part of its token.
      const tokens = ops.gemm(weights, embedding, { residual: given });
      const { p8, p16 } = this.#embedPrompt(dense, embedding);
      const image = { batch: 1, tokens: p16, positioned: ops.broadcastAdd(p16, densePe) };
      const seen = transformer.forward({ batch: 1, tokens }, image, transformer.project(image), densePe);

      const up8 = ops.broadcastAdd(unfold(up1.forward(seen.image), SIDE, UP[0]), skip8);
      const norm8 = norm.forward(layers.convP1.forward(p8, { residual: up8 }), 'gelu');
      const map8 = layers.mixer8.forward(reshape(norm8, [2 * SIDE, 2 * SIDE, UP[0]]));

      const up4 = ops.broadcastAdd(unfold(up2.forward(reshape(map8, [-1, UP[0]])), 2 * SIDE, UP[1]), skip4);
      const sum4 = layers.convP0.forward(ops.concatColumns([{ x: up4 }, { x: dense }]), { activation: 'gelu' });
      const map4 = layers.mixer4.forward(reshape(sum4, [LOW_RES, LOW_RES, UP[1]]));

      const byPrompt = reshape(seen.tokens, [1, -1]);
      const vectors = ops.concatColumns(
        layers.outputHypernetworksMlps.map((mlp, i) => ({ x: mlp.forward(byPrompt, { part: 1 + i }) })),
      );
      const columns = ops.transpose(reshape(vectors, [MASKS, UP[1]]));
      const logits = ops.transpose(ops.gemm(reshape(map4, [-1, UP[1]]), columns));
      return {
        logits: reshape(slice(logits, [first, 0], [count, LOW_RES ** 2]), [1, count, LOW_RES, LOW_RES]),
        iou: layers.iouPredictionHead.forward(byPrompt, { part: 0 }),
      };
    });
  }

  /** The dense prompt at stride 8, [64^2, 16], and at stride 16, added to the embedding, [32^2, 128]. */
  #embedPrompt(dense: Tensor, embedding: Tensor): { p8: Tensor; p16: Tensor } {
    const [down8, down16, last] = this.layers.maskDownscaling;
    const half = down8.forward(reshape(dense, [LOW_RES, LOW_RES, DENSE]));
    const rows = reshape(down16.forward(half), [SIDE * SIDE, DOWN[1]]);
    return { p8: reshape(half, [-1, DOWN[0]]), p16: last.forward(rows, { residual: embedding }) };
  }
}

/** Blocks of 2x2 pixels side by side, [side^2, 4 C], to pixels in their places, [(2 side)^2, C]. */
function unfold(blocks: Tensor, side: number, channels: number): Tensor {
  const rows = transpose(reshape(blocks, [side, side, 2, 2 * channels]), [0, 2, 1, 3]);
  return reshape(rows, [4 * side * side, channels]);
}

/**
 * `x + conv(dense)` of [x | dense] as one product, so that the activation that follows is a part of it: the identity above the
 * convolution's weight.
 */
async function loadJoin(source: LayerSource, key: string): Promise<Linear> {
  const [, channels] = UP;
  const conv = await source.weights.take(`${key}.weight`, [channels, DENSE, 1, 1]);
  const bias = await source.weights.take(`${key}.bias`, [channels]);
  const weight = new Float32Array((channels + DENSE) * channels);
  for (let c = 0; c < channels; c++) {
    weight[c * channels + c] = 1;
    for (let d = 0; d < DENSE; d++) weight[(channels + d) * channels + c] = conv[c * DENSE + d]!;
  }
  return Linear.of(source, weight, bias);
}
