import type { OpSet } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, type Linear, loadAffine } from '../nn/parameters.js';
import { applyHead, loadHead, loadUpscale, type OutputHead } from '../sam/output-heads.js';
import { MAP_NORM_EPS } from '../sam/prompt-encoder.js';
import { type ImageProjections, type ImageTokens, TwoWayTransformer } from '../sam/two-way-transformer.js';
import { FEATURES } from './config.js';

/** Masks that the network computes: one for clear prompts, then three for prompts that may mean several things. */
export const MASK_TOKENS = 4;

/** Output tokens before the prompt's: object score, IoU, masks. */
const OBJECT_TOKEN = 0;
const IOU_TOKEN = 1;
const FIRST_MASK_TOKEN = 2;
const OUTPUT_TOKENS = FIRST_MASK_TOKEN + MASK_TOKENS;

/** Channels of the image at stride 4. */
export const UPSCALED_CHANNELS = 32;

const UP_CHANNELS = [64, UPSCALED_CHANNELS] as const;

/** What the decoder makes of some prompts; the tensors belong to the receiver. */
export interface DecodedObjects {
  /** Logits of the four masks, float32 [P, 4, 4 n, 4 n]. */
  masks: Tensor;
  /** Logits of the IoU that is predicted of each, float32 [P, 4]. */
  iou: Tensor;
  /** Logit of the object's being there, float32 [P, 1]. */
  score: Tensor;
  /** Tokens of the masks, float32 [P * 4, 256]. */
  tokens: Tensor;
}

/** Features of an image at strides 8 and 4, as in `ImageFeatures`. */
export interface SkipFeatures {
  s1: Tensor;
  s0: Tensor;
}

/** Mask decoder of SAM 2 (sam2, `modeling/sam/mask_decoder.py`), batched over prompts of equally many tokens. */
export class Sam2MaskDecoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly transformer: TwoWayTransformer,
    /** Flat [6, 256]. */
    private readonly outputTokens: Float32Array,
    private readonly p: {
      up1: Linear;
      upNorm: Affine;
      up2: Linear;
      hyper: readonly OutputHead[];
      iou: OutputHead;
      score: OutputHead;
    },
  ) {}

  static async load(weights: WeightReader, ops: OpSet): Promise<Sam2MaskDecoder> {
    const key = 'sam_mask_decoder';
    const transformer = await TwoWayTransformer.load(weights, `${key}.transformer`, ops);
    const outputTokens = new Float32Array(OUTPUT_TOKENS * FEATURES);
    for (const [name, first, count] of [
      ['obj_score_token', OBJECT_TOKEN, 1],
      ['iou_token', IOU_TOKEN, 1],
      ['mask_tokens', FIRST_MASK_TOKEN, MASK_TOKENS],
    ] as const) {
      outputTokens.set(await weights.take(`${key}.${name}.weight`, [count, FEATURES]), first * FEATURES);
    }
    const hyper: OutputHead[] = [];
    for (let i = 0; i < MASK_TOKENS; i++) {
      hyper.push(await loadHead(weights, `${key}.output_hypernetworks_mlps.${i}`, FEATURES, UP_CHANNELS[1]));
    }
    return new Sam2MaskDecoder(ops, transformer, outputTokens, {
      up1: await loadUpscale(weights, `${key}.output_upscaling.0`, FEATURES, UP_CHANNELS[0]),
      upNorm: await loadAffine(weights, [`${key}.output_upscaling.1`], UP_CHANNELS[0]),
      up2: await loadUpscale(weights, `${key}.output_upscaling.3`, UP_CHANNELS[0], UP_CHANNELS[1]),
      hyper,
      iou: await loadHead(weights, `${key}.iou_prediction_head`, FEATURES, MASK_TOKENS),
      score: await loadHead(weights, `${key}.pred_obj_score_head`, FEATURES, 1),
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

  /** The tokens of a batch of prompts, float32 [P * T, 256]. @param sparse Embedded points of each prompt, equally many. */
  tokens(sparse: readonly Float32Array[]): Tensor {
    const own = this.outputTokens.length;
    const stride = own + sparse[0]!.length;
    const out = new Float32Array(sparse.length * stride);
    for (const [i, tokens] of sparse.entries()) {
      out.set(this.outputTokens, i * stride);
      out.set(tokens, i * stride + own);
    }
    return tensor(out, [out.length / FEATURES, FEATURES]);
  }

  /**
   * @param initial Tokens of the prompts, float32 [P * T, 256], from `tokens`.
   * @param image Its features with the prompts' masks, for all prompts or one for each.
   * @param projections Of `image`; computed here if they are not given.
   * @param densePe float32 [n^2, 256].
   */
  decode(
    initial: Tensor,
    prompts: number,
    image: ImageTokens,
    projections: ImageProjections | undefined,
    { s1, s0 }: SkipFeatures,
    densePe: Tensor,
  ): DecodedObjects {
    const { ops, p } = this;
    const positions = densePe.shape[0]!;
    const side = Math.sqrt(positions);
    return tidy(() => {
      const projected = projections ?? this.transformer.project(image);
      const { tokens, image: seen } = this.transformer.forward(initial, prompts, image, projected, densePe);
      const features = tidy(() => {
        const first = reshape(ops.gemm(seen, p.up1.weight, { bias: p.up1.bias }), [prompts, ...s1.shape]);
        const blocks = reshape(ops.broadcastAdd(first, s1), [prompts * positions * 4, UP_CHANNELS[0]]);
        const normed = ops.layerNorm(blocks, p.upNorm.weight, p.upNorm.bias, { eps: MAP_NORM_EPS, activation: 'gelu' });
        const second = reshape(ops.gemm(normed, p.up2.weight, { bias: p.up2.bias }), [prompts, ...s0.shape]);
        return ops.broadcastAdd(second, s0, { activation: 'gelu' });
      });
      const byPrompt = reshape(tokens, [prompts, -1]);
      const vectors = ops.concatColumns(
        p.hyper.map((mlp, i) => ({ x: applyHead(ops, mlp, byPrompt, FIRST_MASK_TOKEN + i) })),
      );
      const maskTokens = ops.concatColumns([
        { x: byPrompt, columns: [FIRST_MASK_TOKEN * FEATURES, MASK_TOKENS * FEATURES] },
      ]);
      return {
        masks: ops.maskLogits(features, reshape(vectors, [prompts, MASK_TOKENS, UP_CHANNELS[1]]), [side, side]),
        iou: applyHead(ops, p.iou, byPrompt, IOU_TOKEN),
        score: applyHead(ops, p.score, byPrompt, OBJECT_TOKEN),
        tokens: reshape(maskTokens, [prompts * MASK_TOKENS, FEATURES]),
      } as never;
    }) as DecodedObjects;
  }

  dispose(): void {
    this.transformer.dispose();
    dispose(this.p as never);
  }
}
