import { getEngine, type OpSet } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { type Checkpoint, WeightReader } from '../checkpoint/index.js';
import { channelsOf, type PixelImage } from '../image/index.js';
import { Replay } from '../nn/replay.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
import { concat, fingerprint, type SamEmbedding } from './embedding.js';
import { SamError } from './error.js';
import { EMBEDDING_CHANNELS, EMBEDDING_STRIDE, type SamImageEncoder } from './image-encoder.js';
import { loadImageEncoder } from './load-encoder.js';
import { type DecodedMasks, MaskDecoder } from './mask-decoder.js';
import type { FramePrompt, SparseOptions } from './point-embedder.js';
import { LOW_RES_SCALE, PromptEncoder } from './prompt-encoder.js';
import {
  type DecodedBatch,
  type DecodeOptions,
  MASK_CHOICES,
  type MaskChoice,
  type MaskedPrompt,
  type PreparedImage,
  type PromptModel,
} from './prompt-model.js';
import { type ImageSize, longestSideSize, preprocessImage } from './transforms.js';
import type { ImageProjections, ImageTokens } from './two-way-transformer.js';

/** Options of `SamModel.load`. */
export interface SamLoadOptions {
  /** The operations to build on; the hand-written kernels by default. */
  ops?: OpSet | undefined;
  /**
   * Keeps the matrices of the image encoder as float16 and computes in float32: half of the memory, 1.3 GB for ViT-H.
   * Not with other operations than the kernels.
   */
  float16?: boolean | undefined;
  /**
   * Captures the second pass of the image encoder, and of the decoder for as many tokens, and replays it from then on: a fraction of
   * the CPU time, but GPU memory for the intermediate results. By default where the GPU has memory of its own; with other operations than the kernels never.
   */
  replay?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the share of the weights that is loaded, 0..1. */
  onProgress?: ((fraction: number) => void) | undefined;
}

/** What the prompts of an image share. */
interface SharedTokens {
  image: ImageTokens;
  projections: ImageProjections;
}

/** Keys of checkpoints that the network does not need: buffers of batch norms, and MobileSAM's classifier. */
const IGNORED_KEYS = [/\.num_batches_tracked$/, /^image_encoder\.(?:norm_head|head)\./, /\.attention_bias_idxs$/];

/** Replayed passes by what they share buffers with: those of a prompt are small, those of batches are not. */
const SINGLE = 'single';
const BATCHES = 'batches';

/** Prompts of a pass at most: enough to fill a large GPU, and the buffers stay small beside what one has. */
const PROMPTS_A_PASS = 16;

/**
 * Segment Anything (Kirillov et al., "Segment Anything", ICCV 2023; segment-anything, `modeling/sam.py`) and MobileSAM
 * (Zhang et al., 2023), which differs in the image encoder. The network only: sizes of images, candidates and masks are
 * the predictor's.
 */
export class SamModel implements PromptModel {
  private constructor(
    readonly ops: OpSet,
    /** Identifies the weights, for saved embeddings. */
    readonly fingerprint: string,
    /** Keys of the checkpoint that the network does not know. */
    readonly unexpectedKeys: readonly string[],
    /** The image encoder; the model's own. */
    readonly encoder: SamImageEncoder,
    private readonly promptEncoder: PromptEncoder,
    private readonly maskDecoder: MaskDecoder,
    private readonly replay: Replay,
    private readonly owned: { dispose(): void },
  ) {}

  /**
   * Loads a model from a checkpoint with the keys of segment-anything, MobileSAM or Hugging Face transformers; which of
   * the encoders it is follows from the shapes.
   * @throws CheckpointError naming the key that is missing, misshapen or not finite.
   * @throws CheckpointError; SamError `option` for an option that cannot be had
   */
  static async load(checkpoint: Checkpoint, options: SamLoadOptions = {}): Promise<SamModel> {
    const { ops = getEngine().ops, float16 = false, replay, signal, onProgress } = options;
    if (float16 && (ops !== getEngine().ops || getEngine().kind !== 'webgpu'))
      throw new SamError('option', 'float16 weights are for the kernels alone');
    return WeightReader.load(checkpoint, { signal }, async (weights) => {
      const source: LayerSource = { weights, ops };
      const encoding = { float16, replay, onProgress: (fraction: number) => onProgress?.(fraction * 0.9) };
      const encoder = await loadImageEncoder(weights, ops, encoding);
      const prompts = await PromptEncoder.load(source, encoder.imageSize);
      const decoder = await MaskDecoder.load(source);
      onProgress?.(1);
      const identity = fingerprint([prompts.identity, decoder.outputTokens.values]);
      const passes = new Replay({ ops, replay, shapes: 2, trims: false });
      const unexpected = weights.finish(IGNORED_KEYS);
      return new SamModel(ops, identity, unexpected, encoder, prompts, decoder, passes, weights.handOver());
    });
  }

  /** Side of the square frame that images are fitted into, in pixels. */
  get imageSize(): number {
    return this.encoder.imageSize;
  }

  /** Positions along a side of the embedding. */
  get side(): number {
    return this.imageSize / EMBEDDING_STRIDE;
  }

  /** Side of mask logits and mask prompts. */
  get lowRes(): number {
    return this.side * LOW_RES_SCALE;
  }

  get featureShapes(): readonly (readonly number[])[] {
    return [[this.side ** 2, EMBEDDING_CHANNELS]];
  }

  encode(image: PixelImage, originalSize: ImageSize = image): SamEmbedding {
    channelsOf(image);
    const inputSize = longestSideSize(image, this.imageSize);
    const features = tidy(() => {
      const input = preprocessImage(image, this.imageSize, inputSize);
      return reshape(this.encoder.encode(input), [this.side ** 2, EMBEDDING_CHANNELS]);
    });
    const { height, width } = originalSize;
    return { features: [features], originalSize: { height, width }, inputSize };
  }

  prepare({ features: [features] }: SamEmbedding): PreparedImage {
    const { image, projections } = tidyAll(() => {
      const tokens = this.ops.broadcastAdd(features!, this.promptEncoder.noMaskEmbed);
      const positioned = this.ops.broadcastAdd(tokens, this.promptEncoder.densePe);
      const shared: ImageTokens = { batch: 1, tokens, positioned };
      return { image: shared, projections: this.maskDecoder.project(shared) };
    });
    return {
      decode: (prompts, options) => this.#decode(features!, { image, projections }, prompts, options),
      dispose: () => dispose([image.tokens, image.positioned, projections.keyQuery, projections.value]),
    };
  }

  /** Tokens of prompts that have a mask each, float32 [P, lowRes, lowRes]. */
  #maskedTokens(features: Tensor, masks: Tensor): ImageTokens {
    const { ops, promptEncoder } = this;
    const batch = masks.shape[0]!;
    const shape = [batch, ...features.shape];
    const tokens = ops.broadcastAdd(reshape(promptEncoder.dense(masks), shape), features);
    const positioned = ops.broadcastAdd(tokens, promptEncoder.densePe);
    const rows = [batch * features.shape[0]!, EMBEDDING_CHANNELS];
    return { batch, tokens: reshape(tokens, rows), positioned: reshape(positioned, rows) };
  }

  /** Prompts of equally many tokens share passes. */
  *#decode(
    features: Tensor,
    shared: SharedTokens,
    prompts: readonly MaskedPrompt[],
    options: DecodeOptions,
  ): Generator<DecodedBatch, void, undefined> {
    const sparse = prompts.map((prompt) => this.promptEncoder.sparse(prompt, options));
    const groups = new Map<string, number[]>();
    for (const [i, { mask }] of prompts.entries()) {
      const key = `${sparse[i]!.length},${mask !== undefined}`;
      const group = groups.get(key);
      if (group) group.push(i);
      else groups.set(key, [i]);
    }
    const size = promptsWithin(getEngine().maxTensorBytes, this.side);
    for (const group of groups.values()) {
      for (let start = 0; start < group.length; start += size) {
        const indices = group.slice(start, start + size);
        const batch = indices.map((i) => ({ sparse: sparse[i]!, mask: prompts[i]!.mask }));
        const { logits, iou } = this.#decodeBatch(features, shared, batch, options.masks, size);
        yield { indices, logits, iou };
      }
    }
  }

  /** Prompts of equally many tokens, all with a mask or all without; `size` of them at most. */
  #decodeBatch(
    features: Tensor,
    { image, projections }: SharedTokens,
    batch: readonly { sparse: Float32Array; mask?: Float32Array }[],
    choice: MaskChoice,
    size: number,
  ): DecodedMasks {
    const { maskDecoder, lowRes } = this;
    const { densePe } = this.promptEncoder;
    const prompts = batch.length;
    const tokens = maskDecoder.outputTokens.before(batch.map(({ sparse }) => sparse));
    const masks = batch.flatMap(({ mask }) => (mask ? [mask] : []));
    const dense = masks.length > 0 ? tensor(concat(masks), [prompts, lowRes, lowRes]) : undefined;
    const passes = this.replay.at(prompts === 1 ? SINGLE : BATCHES);
    // Batches of other sizes come once, at the end.
    const options = { statics: choice, captured: prompts === 1 || prompts === size };
    const decode = (given: Tensor, seen: ImageTokens, projected?: ImageProjections) =>
      maskDecoder.decode({ batch: prompts, tokens: given }, seen, projected, densePe, MASK_CHOICES[choice]);
    try {
      if (dense) {
        const feeds = { tokens, dense, features };
        const masked = (inputs: typeof feeds) =>
          decode(inputs.tokens, this.#maskedTokens(inputs.features, inputs.dense));
        return passes.call(feeds, masked, options);
      }
      const { batch: images, ...shared } = image;
      const feeds = { given: tokens, ...shared, ...projections };
      return passes.call(
        feeds,
        ({ given, tokens: seen, positioned, ...projected }) =>
          decode(given, { batch: images, tokens: seen, positioned }, projected),
        options,
      );
    } finally {
      dispose(dense ? [tokens, dense] : [tokens]);
    }
  }

  forgetBatches(): void {
    this.replay.forget(BATCHES);
  }

  /** For comparison with other implementations: embedded points and boxes of a prompt, flat [tokens, 256]. */
  embedPrompt(prompt: FramePrompt, options?: SparseOptions): Float32Array {
    return this.promptEncoder.sparse(prompt, options);
  }

  /** The same of a mask, float32 [side^2, 256]. */
  embedMask(mask: Tensor): Tensor {
    return this.promptEncoder.dense(mask);
  }

  /** The positional encoding of the image's tokens, float32 [side^2, 256]. The model's own. */
  get densePe(): Tensor {
    return this.promptEncoder.densePe;
  }

  dispose(): void {
    this.replay.dispose();
    this.owned.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Prompts that one pass can take, when no buffer may exceed what one binding covers: the largest has 128 channels for each of
 * the four pixels that a position of the embedding becomes.
 */
export function promptsWithin(maxBindingBytes: number, side: number): number {
  const bytes = side ** 2 * 4 * 128 * 4;
  return Math.max(1, Math.min(PROMPTS_A_PASS, Math.floor(maxBindingBytes / bytes)));
}
