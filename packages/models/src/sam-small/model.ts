import { getEngine, type OpSet } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { type Checkpoint, WeightReader } from '../checkpoint/index.js';
import { channelsOf, type PixelImage } from '../image/index.js';
import { Replay } from '../nn/replay.js';
import { fingerprint, type SamEmbedding } from '../sam/embedding.js';
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
  ops?: OpSet | undefined;
  /** Captures passes and replays them, as `SamLoadOptions.replay`. */
  replay?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the share of the weights that is loaded, 0..1. */
  onProgress?: ((fraction: number) => void) | undefined;
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
  /** It is less sure of itself than networks that saw millions of masks: at the general thresholds nothing would be left. */
  readonly everything = { predIouThresh: 0.5, stabilityScoreThresh: 0.5 };
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
    private readonly replay: Replay,
    private readonly owned: { dispose(): void },
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
    const { ops = getEngine().ops, replay, signal, onProgress } = options;
    return WeightReader.load(checkpoint, { signal }, (weights) =>
      WeightReader.load(tracker, { signal }, async (shared) => {
        const source = { weights, ops };
        const encoder = await SmallImageEncoder.load(source, shared);
        onProgress?.(0.5);
        const points = await PointEmbedder.load(weights, 'prompt_encoder', { imageSize: FRAME, channels: CHANNELS });
        const decoder = await SmallMaskDecoder.load(source, points.grid(SIDE));
        onProgress?.(1);
        const passes = new Replay({ ops, replay, shapes: 2, trims: false });
        const identity = fingerprint([points.identity, decoder.outputTokens.values]);
        weights.own(shared.handOver());
        const unexpected = weights.finish([]);
        return new SamSmallModel(identity, unexpected, encoder, points, decoder, passes, weights.handOver());
      }),
    );
  }

  encode(image: PixelImage, originalSize: ImageSize = image): SamEmbedding {
    channelsOf(image);
    const inputSize = longestSideSize(image, FRAME);
    const input = tidy(() => reshape(preprocessImage(image, FRAME, inputSize, 4), [FRAME, FRAME, 4]));
    try {
      const encode = (inputs: { input: Tensor }) => this.encoder.encode(inputs.input);
      const { embedding, skip8, skip4 } = this.replay.at('image').call({ input }, encode);
      const { height, width } = originalSize;
      return { features: [embedding, skip8, skip4], originalSize: { height, width }, inputSize };
    } finally {
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
      const tokens = this.decoder.outputTokens.before([this.points.tokens(prompt, options)]);
      const count = tokens.shape[0]!;
      const weights = new Float32Array(count * SIDE ** 2);
      const looks = tokenWeights(prompt);
      weights.set(looks, weights.length - looks.length);
      const shown = {
        tokens,
        weights: tensor(weights, [count, SIDE ** 2]),
        dense: tensor(densePrompt(prompt), [LOW_RES ** 2, DENSE]),
      };
      const feeds = { ...shown, ...features };
      const decode = (inputs: typeof feeds) => this.decoder.decode(inputs, inputs, MASK_CHOICES[masks]);
      let batch: DecodedBatch;
      try {
        batch = { indices: [index], ...this.replay.at('prompt').call(feeds, decode, { statics: masks }) };
      } finally {
        dispose(shown);
      }
      yield batch;
    }
  }

  /** Prompts are decoded one by one. */
  forgetBatches(): void {}

  dispose(): void {
    this.replay.dispose();
    this.owned.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
