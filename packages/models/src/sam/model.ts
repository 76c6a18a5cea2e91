import { getEngine, type OpSet } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { type Checkpoint, WeightReader } from '../checkpoint/index.js';
import { channelsOf, type PixelImage } from '../image/index.js';
import { ReplayCache } from '../nn/replay-cache.js';
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
  ops?: OpSet;
  /**
   * Keeps the matrices of the image encoder as float16 and computes in float32: half of the memory, 1.3 GB for ViT-H.
   * Not with other operations than the kernels.
   */
  float16?: boolean;
  /**
   * Captures the second pass of the image encoder, and of the decoder for as many tokens, and replays it from then on: a fraction of
   * the CPU time, but GPU memory for the intermediate results. By default where the GPU has memory of its own; with other operations than the kernels never.
   */
  replay?: boolean;
  signal?: AbortSignal;
  /** Called with the share of the weights that is loaded, 0..1. */
  onProgress?: (fraction: number) => void;
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
    private readonly prompts: PromptEncoder,
    private readonly decoder: MaskDecoder,
    private readonly passes: ReplayCache,
  ) {}

  /**
   * Loads a model from a checkpoint with the keys of segment-anything, MobileSAM or Hugging Face transformers; which of
   * the encoders it is follows from the shapes.
   * @throws CheckpointError naming the key that is missing, misshapen or not finite.
   * @throws CheckpointError; SamError `option` for an option that cannot be had
   */
  static async load(checkpoint: Checkpoint, options: SamLoadOptions = {}): Promise<SamModel> {
    const { ops = getEngine().ops, float16 = false, onProgress } = options;
    const { replay = getEngine().replays } = options;
    if (float16 && (ops !== getEngine().ops || getEngine().kind !== 'webgpu'))
      throw new SamError('option', 'float16 weights are for the kernels alone');
    const weights = new WeightReader(checkpoint, { signal: options.signal });
    try {
      const encoder = await loadImageEncoder(weights, ops, {
        float16,
        replay,
        onProgress: (fraction) => onProgress?.(fraction * 0.9),
      });
      const prompts = await PromptEncoder.load(weights, encoder.imageSize, ops);
      const decoder = await MaskDecoder.load(weights, ops);
      onProgress?.(1);
      const identity = fingerprint([prompts.identity, decoder.identity]);
      const passes = new ReplayCache({ enabled: replay && ops === getEngine().ops, shapes: 2, trims: false });
      return new SamModel(ops, identity, weights.finish(IGNORED_KEYS), encoder, prompts, decoder, passes);
    } catch (error) {
      weights.abandon();
      throw error;
    }
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
    const shared = tidy(() => {
      const image = this.#imageTokens(features!, reshape(this.prompts.noMask, [EMBEDDING_CHANNELS]));
      return { image, projections: this.decoder.project(image) } as never;
    }) as SharedTokens;
    return {
      decode: (prompts, options) => this.#decode(features!, shared, prompts, options),
      dispose: () => dispose([shared.image, shared.projections] as never),
    };
  }

  /** Tokens that all prompts share. */
  #imageTokens(features: Tensor, dense: Tensor): ImageTokens {
    const tokens = this.ops.broadcastAdd(features, dense);
    return { batch: 1, tokens, positioned: this.ops.broadcastAdd(tokens, this.prompts.densePe) };
  }

  /** Tokens of prompts that have a mask each, float32 [P, lowRes, lowRes]. */
  #maskedTokens(features: Tensor, masks: Tensor): ImageTokens {
    const { ops } = this;
    const batch = masks.shape[0]!;
    const shape = [batch, ...features.shape];
    const tokens = ops.broadcastAdd(reshape(this.prompts.dense(masks), shape), features);
    const positioned = ops.broadcastAdd(tokens, this.prompts.densePe);
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
    const sparse = prompts.map((prompt) => this.prompts.sparse(prompt, options));
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
    const { decoder, side, lowRes } = this;
    const { densePe } = this.prompts;
    const prompts = batch.length;
    const tokens = decoder.tokens(batch.map(({ sparse }) => sparse));
    const masks = batch.flatMap(({ mask }) => (mask ? [mask] : []));
    // Other batches come once, at the end.
    const recurs = prompts === 1 || prompts === size;
    const key = `${prompts} x ${tokens.shape[0]! / prompts} ${choice}${masks.length > 0 ? ' masked' : ''}`;
    const pass = this.passes.at(prompts === 1 ? SINGLE : BATCHES).begin(recurs ? key : undefined);
    const dense = masks.length > 0 ? tensor(concat(masks), [prompts, lowRes, lowRes]) : undefined;
    try {
      const decoded = dense
        ? pass.stage('masked', { tokens, dense, features }, (inputs) => {
            const seen = this.#maskedTokens(inputs.features, inputs.dense);
            return decoder.decode(inputs.tokens, prompts, seen, undefined, densePe, side, MASK_CHOICES[choice]);
          })
        : pass.stage('masks', { tokens, seen: image.tokens, at: image.positioned, ...projections }, (inputs) => {
            const seen = { batch: image.batch, tokens: inputs.seen, positioned: inputs.at };
            return decoder.decode(inputs.tokens, prompts, seen, inputs, densePe, side, MASK_CHOICES[choice]);
          });
      return { logits: pass.take(decoded.logits), iou: pass.take(decoded.iou) };
    } finally {
      pass.end();
      dispose(dense ? [tokens, dense] : [tokens]);
    }
  }

  forgetBatches(): void {
    this.passes.forget(BATCHES);
  }

  /** For comparison with other implementations: embedded points and boxes of a prompt, flat [tokens, 256]. */
  embedPrompt(prompt: FramePrompt, options?: SparseOptions): Float32Array {
    return this.prompts.sparse(prompt, options);
  }

  /** The same of a mask, float32 [side^2, 256]. */
  embedMask(mask: Tensor): Tensor {
    return this.prompts.dense(mask);
  }

  /** The positional encoding of the image's tokens, float32 [side^2, 256]. The model's own. */
  get densePe(): Tensor {
    return this.prompts.densePe;
  }

  dispose(): void {
    this.passes.dispose();
    this.encoder.dispose();
    this.prompts.dispose();
    this.decoder.dispose();
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
