import { getEngine, type OpSet } from '@samtrack/kernels';
import { dispose, reshape, tensor, tidy } from '@tensorflow/tfjs-core';
import { type Checkpoint, WeightReader } from '../checkpoint/index.js';
import { channelsOf, type PixelImage } from '../image/index.js';
import { ReplayCache } from '../nn/replay-cache.js';
import { concat, fingerprint, type SamEmbedding } from '../sam/embedding.js';
import { PointEmbedder } from '../sam/point-embedder.js';
import {
  type DecodedBatch,
  type DecodeOptions,
  MASK_CHOICES,
  type MaskedPrompt,
  type PreparedImage,
  type PromptModel,
} from '../sam/prompt-model.js';
import { type ImageSize, longestSideSize, preprocessImage } from '../sam/transforms.js';
import { type ImageFeatures, SmallImageEncoder } from './image-encoder.js';
import { SmallMaskDecoder } from './mask-decoder.js';
import { densePrompt, tokenWeights } from './prompt-maps.js';
import { CHANNELS, DENSE, FRAME, LOW_RES, SIDE, UP } from './shape.js';

/** Options of `SamSmallModel.load`. */
export interface SamSmallLoadOptions {
  /** The operations to build on; the engine's by default. */
  ops?: OpSet;
  /** Captures passes and replays them, as `SamLoadOptions.replay`. */
  replay?: boolean;
  signal?: AbortSignal;
  /** Called with the share of the weights that is loaded, 0..1. */
  onProgress?: (fraction: number) => void;
}

/**
 * The segmenter that comes with SAMTrack: prompt encoder and mask decoder of Segment Anything in 128 channels, on the tracker's
 * MobileNetV2 (weights/train/segmenter/ARCHITECTURE.md). Prompts also enter as a picture, and the image where they are as a
 * part of their tokens.
 */
export class SamSmallModel implements PromptModel {
  readonly imageSize = FRAME;
  readonly side = SIDE;
  readonly lowRes = LOW_RES;
  readonly featureShapes = [
    [SIDE ** 2, CHANNELS],
    [(2 * SIDE) ** 2, UP[0]],
    [LOW_RES ** 2, UP[1]],
  ] as const;

  private constructor(
    readonly fingerprint: string,
    /** Keys of the checkpoint that the network does not know. */
    readonly unexpectedKeys: readonly string[],
    /** The image encoder; the model's own. */
    readonly encoder: SmallImageEncoder,
    private readonly points: PointEmbedder,
    private readonly decoder: SmallMaskDecoder,
    private readonly passes: ReplayCache,
    /** The weights. */
    private readonly owned: readonly { dispose(): void }[],
  ) {}

  /**
   * @param tracker Checkpoint of a tracker with a MobileNetV2, whose `encoder.` is shared; any DeAOT-T, -S, -B or -L that the weights
   *   were trained on.
   * @throws CheckpointError naming the key that is missing, misshapen or not finite.
   */
  static async load(
    checkpoint: Checkpoint,
    tracker: Checkpoint,
    options: SamSmallLoadOptions = {},
  ): Promise<SamSmallModel> {
    const { ops = getEngine().ops, signal, onProgress } = options;
    const { replay = getEngine().replays } = options;
    const weights = new WeightReader(checkpoint, { signal });
    const shared = new WeightReader(tracker, { signal });
    try {
      const encoder = await SmallImageEncoder.load(weights, shared, ops);
      onProgress?.(0.5);
      const points = await PointEmbedder.load(weights, 'prompt_encoder', { imageSize: FRAME, channels: CHANNELS });
      const decoder = await SmallMaskDecoder.load(weights, ops, points.grid(SIDE));
      onProgress?.(1);
      const passes = new ReplayCache({ enabled: replay && ops === getEngine().ops, shapes: 2, trims: false });
      const identity = fingerprint([points.identity, decoder.outputTokens]);
      const owned = [weights.handOver(), shared.handOver()];
      return new SamSmallModel(identity, weights.finish([]), encoder, points, decoder, passes, owned);
    } catch (error) {
      weights.abandon();
      shared.abandon();
      throw error;
    }
  }

  encode(image: PixelImage, originalSize: ImageSize = image): SamEmbedding {
    channelsOf(image);
    const inputSize = longestSideSize(image, FRAME);
    const input = tidy(() => reshape(preprocessImage(image, FRAME, inputSize, 4), [FRAME, FRAME, 4]));
    const pass = this.passes.at('image').begin('encoder');
    try {
      const found = pass.stage('features', { input }, (inputs) => this.encoder.encode(inputs.input));
      const features = [found.embedding, found.skip8, found.skip4].map((feature) => pass.take(feature));
      const { height, width } = originalSize;
      return { features, originalSize: { height, width }, inputSize };
    } finally {
      pass.end();
      input.dispose();
    }
  }

  prepare({ features: [embedding, skip8, skip4] }: SamEmbedding): PreparedImage {
    const features = { embedding: embedding!, skip8: skip8!, skip4: skip4! };
    return {
      decode: (prompts, options) => this.#decode(features, prompts, options),
      // The embedding is all there is to share.
      dispose: () => {},
    };
  }

  *#decode(
    features: ImageFeatures,
    prompts: readonly MaskedPrompt[],
    { masks, ...options }: DecodeOptions,
  ): Generator<DecodedBatch, void, undefined> {
    for (const [index, prompt] of prompts.entries()) {
      const sparse = concat([this.decoder.outputTokens, this.points.tokens(prompt, options)]);
      const count = sparse.length / CHANNELS;
      const weights = new Float32Array(count * SIDE ** 2);
      const looks = tokenWeights(prompt);
      weights.set(looks, weights.length - looks.length);
      const shown = {
        tokens: tensor(sparse, [count, CHANNELS]),
        weights: tensor(weights, [count, SIDE ** 2]),
        dense: tensor(densePrompt(prompt), [LOW_RES ** 2, DENSE]),
      };
      const pass = this.passes.at('prompt').begin(`${count} ${masks}`);
      let batch: DecodedBatch;
      try {
        const decoded = pass.stage('masks', { ...shown, ...features }, ({ tokens, weights: where, dense, ...seen }) =>
          this.decoder.decode({ tokens, weights: where, dense }, seen, MASK_CHOICES[masks]),
        );
        batch = { indices: [index], logits: pass.take(decoded.logits), iou: pass.take(decoded.iou) };
      } finally {
        pass.end();
        dispose(shown as never);
      }
      yield batch;
    }
  }

  /** Prompts are decoded one by one. */
  forgetBatches(): void {}

  dispose(): void {
    this.passes.dispose();
    for (const weights of this.owned) weights.dispose();
  }
}
