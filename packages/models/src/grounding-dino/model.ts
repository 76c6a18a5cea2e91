import { fusedOps, getRuntime, type OpSet } from '@samtrack/kernels';
import {
  dispose,
  pad,
  slice,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tensor1d,
  tensor2d,
  tidy,
} from '@tensorflow/tfjs-core';
import { type Checkpoint, WeightReader } from '../checkpoint/index.js';
import { type Affine, type Linear, loadAffine } from '../nn/parameters.js';
import { FUSION_HEADS, type GroundingDinoConfig, HIDDEN } from './config.js';
import { groundingDinoConfigOf } from './config-of.js';
import { DecoderLayer, type DecoderMemory } from './decoder.js';
import { EncoderLayer, type TextGeometry } from './encoder.js';
import type { Streams } from './fusion.js';
import { ImageBranch } from './image-branch.js';
import { loadPerceptron, perceptron } from './layers.js';
import { textPositions, tokenCentres } from './positions.js';
import { QuerySelection } from './query-selection.js';
import { type CaptionTokens, TextBranch } from './text/index.js';
import type { ImageFeatures, OnTap, RawDetections, TextFeatures } from './types.js';

/** Options of `GroundingDino.load`. */
export interface GroundingDinoLoadOptions {
  /** The model's dimensions; read off the checkpoint by default. */
  config?: GroundingDinoConfig;
  /** The operations to build on; the hand-written kernels by default. */
  ops?: OpSet;
  signal?: AbortSignal;
  /** Called with the share of the weights that is loaded, 0..1. */
  onProgress?: (fraction: number) => void;
}

/** Options of `GroundingDino.detect`. */
export interface DetectOptions {
  signal?: AbortSignal;
  /** Called when the work of a stage is recorded, and waited for. */
  onStage?: (stage: 'encoder' | 'selection' | 'decoder') => Promise<void> | void;
  /** Sees `encN.text`, `encN.image`, `two_stage.memory` and `decN.out`, float32 [tokens or queries, 256]. */
  onTap?: OnTap;
  /** Chooses the image tokens that queries start at, given all scores; the highest by default. */
  rank?: (scores: Float32Array, count: number) => Int32Array;
}

/** Keys that checkpoints may hold and the network does not need. The box head has a dozen names, one of which is read. */
const IGNORED_KEYS = [
  /\.relative_position_index$/,
  /^label_enc\./,
  /^bert\.embeddings\.position_ids$/,
  /^bert\.pooler\./,
  /^(transformer\.decoder\.)?bbox_embed\.\d+\./,
];

/** Added to scores that must not count; finite, since WGSL may assume that there are no infinities. */
const MASKED = -1e30;

/**
 * Grounding DINO (Liu et al., "Grounding DINO: Marrying DINO with Grounded Pre-Training for Open-Set Object Detection", 2023;
 * GroundingDINO, `models/GroundingDINO`). The network only: pictures and captions are prepared, and boxes chosen, by
 * `GroundingDetector`. One image and one caption at a time.
 */
export class GroundingDino {
  private constructor(
    readonly config: GroundingDinoConfig,
    readonly ops: OpSet,
    /** Keys of the checkpoint that the network does not know. */
    readonly unexpectedKeys: readonly string[],
    private readonly parts: {
      image: ImageBranch;
      text: TextBranch;
      encoder: readonly EncoderLayer[];
      selection: QuerySelection;
      decoder: readonly DecoderLayer[];
    },
    private readonly p: { queries: Tensor; norm: Affine; positionHead: readonly Linear[]; boxHead: readonly Linear[] },
  ) {}

  /**
   * Loads a model from a checkpoint with the official keys or those of Hugging Face transformers.
   * @throws CheckpointError naming the key that is missing, misshapen or not finite.
   */
  static async load(checkpoint: Checkpoint, options: GroundingDinoLoadOptions = {}): Promise<GroundingDino> {
    const config = options.config ?? groundingDinoConfigOf(checkpoint);
    const weights = new WeightReader(checkpoint, { signal: options.signal });
    try {
      return await GroundingDino.#read(weights, config, options);
    } catch (error) {
      weights.abandon();
      throw error;
    }
  }

  static async #read(
    weights: WeightReader,
    config: GroundingDinoConfig,
    { ops = fusedOps, onProgress }: GroundingDinoLoadOptions,
  ): Promise<GroundingDino> {
    const { encoderLayers, decoderLayers, queries } = config;
    const steps = encoderLayers + decoderLayers + 3;
    let done = 0;
    const step = async <T>(loading: Promise<T>): Promise<T> => {
      const part = await loading;
      onProgress?.(++done / steps);
      return part;
    };
    const image = await step(ImageBranch.load(weights, config, ops));
    const text = await step(TextBranch.load(weights, config.textLayers, ops));
    const encoder: EncoderLayer[] = [];
    for (let i = 0; i < encoderLayers; i++) encoder.push(await step(EncoderLayer.load(weights, i, ops)));
    const selection = await QuerySelection.load(weights, ops);
    const decoder: DecoderLayer[] = [];
    for (let i = 0; i < decoderLayers; i++) decoder.push(await step(DecoderLayer.load(weights, i, ops)));
    const table = await weights.take('transformer.tgt_embed.weight', [queries, HIDDEN]);
    const parameters = {
      queries: weights.own(tensor2d(table, [queries, HIDDEN])),
      norm: await loadAffine(weights, ['transformer.decoder.norm'], HIDDEN),
      positionHead: await loadPerceptron(weights, 'transformer.decoder.ref_point_head', [2 * HIDDEN, HIDDEN, HIDDEN]),
      boxHead: await loadPerceptron(weights, boxHeadKey(weights), [HIDDEN, HIDDEN, HIDDEN, 4]),
    };
    onProgress?.(1);
    const parts = { image, text, encoder, selection, decoder };
    return new GroundingDino(config, ops, weights.finish(IGNORED_KEYS), parts, parameters);
  }

  /**
   * Encodes an image; the result serves any number of captions.
   * @param image float32 [H, W, 4], normalised RGB, the fourth channel zero.
   * @param onTap Sees `input_proj0` to `input_proj3`, float32 [h, w, 256].
   */
  encodeImage(image: Tensor3D, onTap?: OnTap): ImageFeatures {
    const features = this.parts.image.encode(image, onTap);
    // A pooled buffer serves tensors of exactly its size, which after the backbone none has. Where memory is shared with the
    // CPU it is worth more than the milliseconds that new buffers cost.
    const runtime = getRuntime();
    if (runtime.adapterClass.kind !== 'discrete') runtime.trim();
    return features;
  }

  /** Encodes a caption; the result serves any number of images. The caller disposes its `features`. */
  encodeText(caption: CaptionTokens): TextFeatures {
    return this.parts.text.encode(caption);
  }

  /**
   * Finds what a caption speaks of in an image.
   * @throws the signal's reason when aborted.
   */
  async detect(image: ImageFeatures, text: TextFeatures, options: DetectOptions = {}): Promise<RawDetections> {
    const { parts, config } = this;
    const { signal, onStage, onTap } = options;
    signal?.throwIfAborted();
    const geometry = textGeometry(text);
    const memory = this.#encode(image, text, geometry, onTap);
    const scorer = this.#scorer(memory.text, text.tokenMask);
    let boxes: Tensor | undefined;
    let found: Found | undefined;
    try {
      await onStage?.('encoder');
      boxes = await parts.selection.select(memory, image.levels, scorer, config.queries, options);
      await onStage?.('selection');
      signal?.throwIfAborted();
      found = this.#decode(boxes, { ...memory, levels: image.levels, textMask: geometry.crossMask }, scorer, onTap);
      await onStage?.('decoder');
      return await readDetections(found, text.tokenMask);
    } finally {
      dispose({ geometry, memory, scorer, boxes, found } as never);
    }
  }

  /** Image and text after the feature enhancer. */
  #encode(image: ImageFeatures, text: TextFeatures, geometry: TextGeometry, onTap?: OnTap): Streams {
    let streams: Streams = { image: image.tokens, text: text.features };
    const centres = tensor2d(tokenCentres(image.levels), [image.tokens.shape[0], 2]);
    for (const [i, layer] of this.parts.encoder.entries()) {
      const next = layer.forward(streams, image, centres, geometry);
      if (i > 0) dispose([streams.image, streams.text]);
      streams = next;
      onTap?.(`enc${i}.text`, streams.text);
      onTap?.(`enc${i}.image`, streams.image);
    }
    centres.dispose();
    return streams;
  }

  /** What turns a token or a query into its logits: text features, transposed, in a multiple of 4 columns. */
  #scorer(text: Tensor, tokenMask: Uint8Array): { text: Tensor; bias: Tensor } {
    const length = tokenMask.length;
    const columns = Math.ceil(length / 4) * 4;
    const bias = Float32Array.from({ length: columns }, (_, i) => (tokenMask[i] ? 0 : MASKED));
    return tidy(() => {
      const rows = pad(text as Tensor2D, [
        [0, columns - length],
        [0, 0],
      ]);
      return { text: this.ops.transpose(rows), bias: tensor1d(bias) } as never;
    }) as { text: Tensor; bias: Tensor };
  }

  #decode(start: Tensor, memory: DecoderMemory, scorer: { text: Tensor; bias: Tensor }, onTap?: OnTap): Found {
    const { ops } = this;
    const { queries, norm, positionHead, boxHead } = this.p;
    return tidy(() => {
      // A small image has fewer tokens than the model has queries.
      let [hidden, boxes] = [slice(queries, 0, start.shape[0]!), start];
      for (const [i, layer] of this.parts.decoder.entries()) {
        const last = i + 1 === this.parts.decoder.length;
        [hidden, boxes] = tidy(() => {
          const positions = perceptron(ops, positionHead, ops.boxSineEmbedding(boxes));
          const next = layer.forward(hidden, positions, boxes, memory);
          // The last layer's boxes come from its normalised queries, those of the others do not.
          return [next, last ? boxes : ops.refineBoxes(perceptron(ops, boxHead, next), boxes)];
        });
        onTap?.(`dec${i}.out`, hidden);
      }
      const normal = ops.layerNorm(hidden, norm.weight, norm.bias);
      return {
        logits: ops.gemm(normal, scorer.text, { bias: scorer.bias }),
        boxes: ops.refineBoxes(perceptron(ops, boxHead, normal), boxes),
      } as never;
    }) as Found;
  }

  dispose(): void {
    const { image, text, encoder, selection, decoder } = this.parts;
    for (const part of [image, text, ...encoder, selection, ...decoder]) part.dispose();
    const { queries, norm, positionHead, boxHead } = this.p;
    queries.dispose();
    for (const { weight, bias } of [norm, ...positionHead, ...boxHead]) dispose([weight, bias]);
  }
}

/** The box head that all decoder layers share, under the first of its names that the file has. */
function boxHeadKey(weights: WeightReader): string {
  const names = [...Array(6).keys()].flatMap((i) => [`transformer.decoder.bbox_embed.${i}`, `bbox_embed.${i}`]);
  return names.find((name) => weights.has(`${name}.layers.0.weight`)) ?? names[0]!;
}

function textGeometry({ mask, positionIds, tokenMask }: TextFeatures): TextGeometry {
  const length = tokenMask.length;
  const additive = (allowed: Uint8Array, rows: number) =>
    tensor2d(
      Float32Array.from(allowed, (one) => (one ? 0 : MASKED)),
      [rows, allowed.length / rows],
    );
  const heads = Uint8Array.from({ length: FUSION_HEADS * length }, (_, i) => tokenMask[Math.floor(i / FUSION_HEADS)]!);
  return {
    positions: tensor2d(textPositions(positionIds), [length, HIDDEN]),
    selfMask: additive(mask, length),
    ...(tokenMask.every((one) => one === 1)
      ? {}
      : { fusionMask: additive(heads, length), crossMask: additive(tokenMask, 1) }),
  };
}

/** What the decoder gives, on the GPU. */
interface Found {
  /** float32 [Q, Lp]. */
  logits: Tensor;
  /** float32 [Q, 4]. */
  boxes: Tensor;
}

async function readDetections(found: { logits: Tensor; boxes: Tensor }, tokenMask: Uint8Array): Promise<RawDetections> {
  const runtime = getRuntime();
  const [wide, boxes] = await Promise.all([runtime.read(found.logits), runtime.read(found.boxes)]);
  const values = new Float32Array(wide);
  const [queries, columns] = found.logits.shape as [number, number];
  const tokens = tokenMask.length;
  const logits = Float32Array.from({ length: queries * tokens }, (_, i) =>
    tokenMask[i % tokens] ? values[Math.floor(i / tokens) * columns + (i % tokens)]! : Number.NEGATIVE_INFINITY,
  );
  return { queries, tokens, logits, boxes: new Float32Array(boxes) };
}
