import { getEngine, type OpSet } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, type Linear, loadAffine } from '../nn/parameters.js';
import { EMBEDDING_CHANNELS } from './image-encoder.js';
import { applyHead, loadHead, loadUpscale, type OutputHead } from './output-heads.js';
import { MAP_NORM_EPS } from './prompt-encoder.js';
import { type ImageProjections, type ImageTokens, TwoWayTransformer } from './two-way-transformer.js';

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

/** Mask decoder (segment-anything, `modeling/mask_decoder.py`), batched over prompts of equally many tokens. */
export class MaskDecoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly transformer: TwoWayTransformer,
    /** IoU token and mask tokens, flat [5, 256]. */
    private readonly outputTokens: Float32Array,
    private readonly p: {
      up1: Linear;
      upNorm: Affine;
      up2: Linear;
      hyper: readonly OutputHead[];
      iou: OutputHead;
    },
  ) {}

  static async load(weights: WeightReader, ops: OpSet = getEngine().ops): Promise<MaskDecoder> {
    const key = 'mask_decoder';
    const transformer = await TwoWayTransformer.load(weights, `${key}.transformer`, ops);
    const outputTokens = new Float32Array((1 + MASK_TOKENS) * EMBEDDING_CHANNELS);
    outputTokens.set(await weights.take(`${key}.iou_token.weight`, [1, EMBEDDING_CHANNELS]));
    outputTokens.set(
      await weights.take(`${key}.mask_tokens.weight`, [MASK_TOKENS, EMBEDDING_CHANNELS]),
      EMBEDDING_CHANNELS,
    );
    const hyper: OutputHead[] = [];
    for (let i = 0; i < MASK_TOKENS; i++) {
      hyper.push(await loadHead(weights, `${key}.output_hypernetworks_mlps.${i}`, EMBEDDING_CHANNELS, UP_CHANNELS[1]));
    }
    return new MaskDecoder(ops, transformer, outputTokens, {
      up1: await loadUpscale(weights, `${key}.output_upscaling.0`, EMBEDDING_CHANNELS, UP_CHANNELS[0]),
      upNorm: await loadAffine(weights, [`${key}.output_upscaling.1`], UP_CHANNELS[0]),
      up2: await loadUpscale(weights, `${key}.output_upscaling.3`, UP_CHANNELS[0], UP_CHANNELS[1]),
      hyper,
      iou: await loadHead(weights, `${key}.iou_prediction_head`, EMBEDDING_CHANNELS, MASK_TOKENS),
    });
  }

  /** Values that tell one training from another. */
  get identity(): Float32Array {
    return this.outputTokens;
  }

  /** See `TwoWayTransformer.project`. */
  project(image: ImageTokens): ImageProjections {
    return this.transformer.project(image);
  }

  /**
   * The tokens of a batch of prompts, float32 [P * (5 + tokens of a prompt), 256].
   * @param sparse Embedded points and boxes of each prompt, flat [tokens, 256], equally many.
   */
  tokens(sparse: readonly Float32Array[]): Tensor {
    const own = this.outputTokens.length;
    const stride = own + sparse[0]!.length;
    const out = new Float32Array(sparse.length * stride);
    for (const [i, tokens] of sparse.entries()) {
      out.set(this.outputTokens, i * stride);
      out.set(tokens, i * stride + own);
    }
    return tensor(out, [out.length / EMBEDDING_CHANNELS, EMBEDDING_CHANNELS]);
  }

  /**
   * Decodes prompts against one image.
   *
   * @param initial Tokens of the prompts, float32 [P * T, 256], from `tokens`.
   * @param projections Of `image`; computed here if they are not given.
   * @param masks Which masks to make: [first, count] of the four.
   * @param side Side of the embedding's grid.
   */
  decode(
    initial: Tensor,
    prompts: number,
    image: ImageTokens,
    projections: ImageProjections | undefined,
    densePe: Tensor,
    side: number,
    [first, count]: readonly [first: number, count: number],
  ): DecodedMasks {
    const { ops, p } = this;
    return tidy(() => {
      const projected = projections ?? this.transformer.project(image);
      const { tokens, image: seen } = this.transformer.forward(initial, prompts, image, projected, densePe);
      const byPrompt = reshape(tokens, [prompts, -1]);
      const features = tidy(() => this.#upscale(seen));
      seen.dispose();
      const vectors = ops.concatColumns(
        Array.from({ length: count }, (_, i) => ({ x: applyHead(ops, p.hyper[first + i]!, byPrompt, 1 + first + i) })),
      );
      return {
        logits: ops.maskLogits(features, reshape(vectors, [prompts, count, UP_CHANNELS[1]]), [side, side]),
        iou: applyHead(ops, p.iou, byPrompt, 0),
      } as never;
    }) as DecodedMasks;
  }

  /** [P * N, 256] to what `maskLogits` takes, [P * N * 4, 128]. */
  #upscale(image: Tensor): Tensor {
    const { ops, p } = this;
    const blocks = reshape(ops.gemm(image, p.up1.weight, { bias: p.up1.bias }), [image.shape[0]! * 4, UP_CHANNELS[0]]);
    const normed = ops.layerNorm(blocks, p.upNorm.weight, p.upNorm.bias, { eps: MAP_NORM_EPS, activation: 'gelu' });
    return ops.gemm(normed, p.up2.weight, { bias: p.up2.bias, activation: 'gelu' });
  }

  dispose(): void {
    this.transformer.dispose();
    dispose(this.p as never);
  }
}
