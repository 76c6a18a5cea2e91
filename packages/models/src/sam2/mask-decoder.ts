import type { OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { Linear } from '../nn/linear.js';
import { Perceptron } from '../nn/mlp.js';
import { LayerNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
import { loadHypernetworks } from '../sam/mask-decoder.js';
import { OutputTokens } from '../sam/output-tokens.js';
import { MAP_NORM_EPS } from '../sam/prompt-encoder.js';
import {
  type ImageProjections,
  type ImageTokens,
  type PromptTokens,
  TwoWayTransformer,
} from '../sam/two-way-transformer.js';
import { FEATURES } from './config.js';

/** Masks that the network computes: one for clear prompts, then three for prompts that may mean several things. */
const MASK_TOKENS = 4;

/** Output tokens before the prompt's: object score, IoU, masks. */
const OBJECT_TOKEN = 0;
const IOU_TOKEN = 1;
const FIRST_MASK_TOKEN = 2;

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

/** The layers behind the transformer, named as in the state dict. */
interface HeadLayers {
  outputUpscaling: readonly [Linear, LayerNorm, Linear];
  outputHypernetworksMlps: readonly Perceptron[];
  iouPredictionHead: Perceptron;
  predObjScoreHead: Perceptron;
}

/** Mask decoder of SAM 2 (sam2, `modeling/sam/mask_decoder.py`), batched over prompts of equally many tokens. */
export class Sam2MaskDecoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly transformer: TwoWayTransformer,
    readonly outputTokens: OutputTokens,
    private readonly layers: HeadLayers,
  ) {}

  static async load(source: LayerSource): Promise<Sam2MaskDecoder> {
    const key = 'sam_mask_decoder';
    const [up1, up2] = UP_CHANNELS;
    const tokens = [['obj_score_token', 1] as const, ['iou_token', 1] as const, ['mask_tokens', MASK_TOKENS] as const];
    const head = (name: string, outputs: number) =>
      Perceptron.load(source, `${key}.${name}`, [FEATURES, FEATURES, FEATURES, outputs]);
    return new Sam2MaskDecoder(
      source.ops,
      await TwoWayTransformer.load(source, `${key}.transformer`),
      await OutputTokens.load(source.weights, key, tokens, FEATURES),
      {
        outputUpscaling: [
          await Linear.loadUpscaling(source, `${key}.output_upscaling.0`, FEATURES, up1),
          await LayerNorm.load(source, `${key}.output_upscaling.1`, up1, MAP_NORM_EPS),
          await Linear.loadUpscaling(source, `${key}.output_upscaling.3`, up1, up2),
        ],
        outputHypernetworksMlps: await loadHypernetworks(source, key, MASK_TOKENS, FEATURES, up2),
        iouPredictionHead: await head('iou_prediction_head', MASK_TOKENS),
        predObjScoreHead: await head('pred_obj_score_head', 1),
      },
    );
  }

  /** See `TwoWayTransformer.project`. */
  project(image: ImageTokens): ImageProjections {
    return this.transformer.project(image);
  }

  /**
   * @param prompts Tokens of the prompts, from `outputTokens.before`.
   * @param image Its features with the prompts' masks, for all prompts or one for each.
   * @param projections Of `image`; computed here if they are not given.
   * @param densePe float32 [n^2, 256].
   */
  decode(
    prompts: PromptTokens,
    image: ImageTokens,
    projections: ImageProjections | undefined,
    { s1, s0 }: SkipFeatures,
    densePe: Tensor,
  ): DecodedObjects {
    const { ops, transformer } = this;
    const { outputUpscaling, outputHypernetworksMlps, iouPredictionHead, predObjScoreHead } = this.layers;
    const { batch } = prompts;
    const positions = densePe.shape[0]!;
    const side = Math.sqrt(positions);
    return tidyAll(() => {
      const projected = projections ?? transformer.project(image);
      const { tokens, image: seen } = transformer.forward(prompts, image, projected, densePe);
      const features = tidy(() => {
        const [up1, norm, up2] = outputUpscaling;
        const first = reshape(up1.forward(seen), [batch, ...s1.shape]);
        const blocks = reshape(ops.broadcastAdd(first, s1), [batch * positions * 4, UP_CHANNELS[0]]);
        const second = reshape(up2.forward(norm.forward(blocks, 'gelu')), [batch, ...s0.shape]);
        return ops.broadcastAdd(second, s0, { activation: 'gelu' });
      });
      const byPrompt = reshape(tokens, [batch, -1]);
      const vectors = ops.concatColumns(
        outputHypernetworksMlps.map((mlp, i) => ({ x: mlp.forward(byPrompt, { part: FIRST_MASK_TOKEN + i }) })),
      );
      const maskTokens = ops.concatColumns([
        { x: byPrompt, columns: [FIRST_MASK_TOKEN * FEATURES, MASK_TOKENS * FEATURES] },
      ]);
      return {
        masks: ops.maskLogits(features, reshape(vectors, [batch, MASK_TOKENS, UP_CHANNELS[1]]), [side, side]),
        iou: iouPredictionHead.forward(byPrompt, { part: IOU_TOKEN }),
        score: predObjScoreHead.forward(byPrompt, { part: OBJECT_TOKEN }),
        tokens: reshape(maskTokens, [batch * MASK_TOKENS, FEATURES]),
      };
    });
  }
}
