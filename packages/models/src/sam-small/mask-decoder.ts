import type { OpSet } from '@samtrack/kernels';
import { reshape, slice, type Tensor, tensor, tidy, transpose } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { MixingBlock } from '../nn/mixing-block.js';
import { type Affine, type Linear, loadAffine, loadConv, loadLinear } from '../nn/parameters.js';
import { applyHead, loadHead, loadUpscale, type OutputHead } from '../sam/output-heads.js';
import { MAP_NORM_EPS } from '../sam/prompt-encoder.js';
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

/** SAM's mask decoder in 128 channels. The image's tokens mix with their neighbours, and finer maps of image and prompt join on the way up. */
export class SmallMaskDecoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly transformer: TwoWayTransformer,
    private readonly mixers: readonly MixingBlock[],
    /** Positional encoding of the embedding's grid, float32 [32^2, 128]. */
    private readonly densePe: Tensor,
    /** IoU token and mask tokens, flat [5, 128]. */
    readonly outputTokens: Float32Array,
    private readonly p: {
      down8: Linear;
      downNorm8: Affine;
      down16: Linear;
      downNorm16: Affine;
      prompt16: Linear;
      up8: Linear;
      prompt8: Linear;
      upNorm8: Affine;
      up4: Linear;
      join4: Linear;
      hyper: readonly OutputHead[];
      iou: OutputHead;
    },
  ) {}

  /** @param grid Positional encoding of the embedding's grid, flat. */
  static async load(weights: WeightReader, ops: OpSet, grid: Float32Array): Promise<SmallMaskDecoder> {
    const mixers: MixingBlock[] = [];
    const wide = { channels: CHANNELS, kernel: 5, hidden: 2 * CHANNELS };
    for (const layer of [0, 1]) {
      mixers.push(await MixingBlock.load(weights, `${KEY}.transformer.layers.${layer}.mixer`, ops, wide));
    }
    for (const [name, channels] of [
      ['mixer8', UP[0]],
      ['mixer4', UP[1]],
    ] as const) {
      mixers.push(await MixingBlock.load(weights, `${KEY}.${name}`, ops, { channels, kernel: 3, hidden: channels }));
    }
    const onTokens = (mixer: MixingBlock): TokenMixer => ({
      forward: (image) => reshape(mixer.forward(reshape(image, [SIDE, SIDE, CHANNELS])), image.shape),
    });
    const layerMixers = mixers.slice(0, 2).map(onTokens);
    const transformer = await TwoWayTransformer.load(weights, `${KEY}.transformer`, ops, WIDTHS, layerMixers);
    const outputTokens = new Float32Array((1 + MASKS) * CHANNELS);
    outputTokens.set(await weights.take(`${KEY}.iou_token.weight`, [1, CHANNELS]));
    outputTokens.set(await weights.take(`${KEY}.mask_tokens.weight`, [MASKS, CHANNELS]), CHANNELS);
    const hyper: OutputHead[] = [];
    for (let i = 0; i < MASKS; i++) {
      hyper.push(await loadHead(weights, `${KEY}.output_hypernetworks_mlps.${i}`, CHANNELS, UP[1]));
    }
    return new SmallMaskDecoder(
      ops,
      transformer,
      mixers,
      weights.own(tensor(grid, [SIDE * SIDE, CHANNELS])),
      outputTokens,
      {
        down8: await loadConv(weights, `${PROMPT_KEY}.0`, DENSE, DOWN[0], 2),
        downNorm8: await loadAffine(weights, [`${PROMPT_KEY}.1`], DOWN[0]),
        down16: await loadConv(weights, `${PROMPT_KEY}.3`, DOWN[0], DOWN[1], 2),
        downNorm16: await loadAffine(weights, [`${PROMPT_KEY}.4`], DOWN[1]),
        prompt16: await loadLinear(weights, `${PROMPT_KEY}.6`, DOWN[1], CHANNELS, { pointwise: true }),
        up8: await loadUpscale(weights, `${KEY}.output_upscaling.0`, CHANNELS, UP[0]),
        prompt8: await loadLinear(weights, `${KEY}.conv_p1`, DOWN[0], UP[0], { pointwise: true }),
        upNorm8: await loadAffine(weights, [`${KEY}.output_upscaling.1`], UP[0]),
        up4: await loadUpscale(weights, `${KEY}.output_upscaling.3`, UP[0], UP[1]),
        join4: await loadJoin(weights, `${KEY}.conv_p0`),
        hyper,
        iou: await loadHead(weights, `${KEY}.iou_prediction_head`, CHANNELS, MASKS),
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
  ): { logits: Tensor; iou: Tensor } {
    const { ops, p, transformer, densePe, mixers } = this;
    return tidy(() => {
      // What the image shows at a point or in a box is a part of its token.
      const tokens = ops.gemm(weights, embedding, { residual: given });
      const { p8, p16 } = this.#embedPrompt(dense, embedding);
      const image = { batch: 1, tokens: p16, positioned: ops.broadcastAdd(p16, densePe) };
      const { tokens: read, image: seen } = transformer.forward(tokens, 1, image, transformer.project(image), densePe);

      const up8 = ops.broadcastAdd(unfold(ops.gemm(seen, p.up8.weight, { bias: p.up8.bias }), SIDE, UP[0]), skip8);
      const sum8 = ops.gemm(p8, p.prompt8.weight, { bias: p.prompt8.bias, residual: up8 });
      const norm8 = normed(ops, sum8, p.upNorm8);
      const map8 = mixers[2]!.forward(reshape(norm8, [2 * SIDE, 2 * SIDE, UP[0]]));

      const rows8 = reshape(map8, [-1, UP[0]]);
      const up4 = ops.broadcastAdd(unfold(ops.gemm(rows8, p.up4.weight, { bias: p.up4.bias }), 2 * SIDE, UP[1]), skip4);
      const join = ops.concatColumns([{ x: up4 }, { x: dense }]);
      const sum4 = ops.gemm(join, p.join4.weight, { bias: p.join4.bias, activation: 'gelu' });
      const map4 = mixers[3]!.forward(reshape(sum4, [LOW_RES, LOW_RES, UP[1]]));

      const byPrompt = reshape(read, [1, -1]);
      const vectors = ops.concatColumns(p.hyper.map((head, i) => ({ x: applyHead(ops, head, byPrompt, 1 + i) })));
      const columns = ops.transpose(reshape(vectors, [MASKS, UP[1]]));
      const logits = ops.transpose(ops.gemm(reshape(map4, [-1, UP[1]]), columns));
      return {
        logits: reshape(slice(logits, [first, 0], [count, LOW_RES ** 2]), [1, count, LOW_RES, LOW_RES]),
        iou: applyHead(ops, p.iou, byPrompt, 0),
      } as never;
    }) as { logits: Tensor; iou: Tensor };
  }

  /** The dense prompt at stride 8, [64^2, 16], and at stride 16, added to the embedding, [32^2, 128]. */
  #embedPrompt(dense: Tensor, embedding: Tensor): { p8: Tensor; p16: Tensor } {
    const { ops, p } = this;
    const picture = reshape(dense, [LOW_RES, LOW_RES, DENSE]);
    const half = normed(ops, ops.conv2d(picture, p.down8.weight, { bias: p.down8.bias, stride: 2 }), p.downNorm8);
    const quarter = normed(ops, ops.conv2d(half, p.down16.weight, { bias: p.down16.bias, stride: 2 }), p.downNorm16);
    const rows = reshape(quarter, [SIDE * SIDE, DOWN[1]]);
    const p16 = ops.gemm(rows, p.prompt16.weight, { bias: p.prompt16.bias, residual: embedding });
    return { p8: reshape(half, [-1, DOWN[0]]), p16 };
  }
}

const normed = (ops: OpSet, x: Tensor, { weight, bias }: Affine): Tensor =>
  ops.layerNorm(x, weight, bias, { eps: MAP_NORM_EPS, activation: 'gelu' });

/** Blocks of 2x2 pixels side by side, [side^2, 4 C], to pixels in their places, [(2 side)^2, C]. */
function unfold(blocks: Tensor, side: number, channels: number): Tensor {
  const rows = transpose(reshape(blocks, [side, side, 2, 2 * channels]), [0, 2, 1, 3]);
  return reshape(rows, [4 * side * side, channels]);
}

/**
 * `x + conv(dense)` of [x | dense] as one product, so that the activation that follows is a part of it: the identity above the
 * convolution's weight.
 */
async function loadJoin(weights: WeightReader, key: string): Promise<Linear> {
  const [, channels] = UP;
  const conv = await weights.take(`${key}.weight`, [channels, DENSE, 1, 1]);
  const bias = await weights.take(`${key}.bias`, [channels]);
  const weight = new Float32Array((channels + DENSE) * channels);
  for (let c = 0; c < channels; c++) {
    weight[c * channels + c] = 1;
    for (let d = 0; d < DENSE; d++) weight[(channels + d) * channels + c] = conv[c * DENSE + d]!;
  }
  return {
    weight: weights.own(tensor(weight, [channels + DENSE, channels])),
    bias: weights.own(tensor(bias)),
  };
}
