import { getEngine, type OpSet } from '@samtrack/kernels';
import { dispose, pad, slice, type Tensor, type Tensor2D, type Tensor3D, tensor2d, tidy } from '@tensorflow/tfjs-core';
import { type Checkpoint, WeightReader } from '../checkpoint/index.js';
import { Perceptron } from '../nn/mlp.js';
import { LayerNorm } from '../nn/norm.js';
import { Replay, type ReplayShape } from '../nn/replay.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
import { type CaptionInputs, captionInputs } from './caption-inputs.js';
import { type GroundingDinoConfig, HIDDEN } from './config.js';
import { groundingDinoConfigOf } from './config-of.js';
import { DecoderLayer, type DecoderMemory } from './decoder.js';
import { EncoderLayer, type ImageGeometry } from './encoder.js';
import type { Streams } from './fusion.js';
import { ImageBranch } from './image-branch.js';
import { tokenCentres, validProposals } from './positions.js';
import { type ChosenTokens, QuerySelection } from './query-selection.js';
import { type CaptionTokens, TextBranch } from './text/index.js';
import { featuresOf } from './text/text-branch.js';
import type { ImageFeatures, LevelSize, OnTap, RawDetections, TextFeatures } from './types.js';

/** Options of `GroundingDino.load`. */
export interface GroundingDinoLoadOptions {
  /** The model's dimensions; read off the checkpoint by default. */
  config?: GroundingDinoConfig | undefined;
  /** The operations to build on; the hand-written kernels by default. */
  ops?: OpSet | undefined;
  /**
   * Captures the second pass of an image size and a caption length and replays it from then on: a fraction of the CPU time, but
   * GPU memory for the intermediate results of the latest sizes. By default where the GPU has memory of its own; with
   * other operations than the kernels never.
   */
  replay?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the share of the weights that is loaded, 0..1. */
  onProgress?: ((fraction: number) => void) | undefined;
}

/** Options of `GroundingDino.detect`. */
export interface DetectOptions {
  signal?: AbortSignal | undefined;
  /** Called when the work of a stage is recorded, and waited for. */
  onStage?: ((stage: 'encoder' | 'selection' | 'decoder') => Promise<void> | void) | undefined;
  /** Sees `encN.text`, `encN.image`, `two_stage.memory` and `decN.out`, float32 [tokens or queries, 256]. */
  onTap?: OnTap | undefined;
  /** Sees what boxes and logits are computed from, float32 [queries, 256]. It may not keep it. */
  onQueries?: ((queries: Tensor) => void) | undefined;
  /** Chooses the image tokens that queries start at, given all scores; the highest by default. */
  rank?: ((scores: Float32Array, count: number) => Int32Array) | undefined;
}

/** Keys that checkpoints may hold and the network does not need. The box head has a dozen names, one of which is read. */
const IGNORED_KEYS = [
  /\.relative_position_index$/,
  /^label_enc\./,
  /^bert\.embeddings\.position_ids$/,
  /^bert\.pooler\./,
  /^(transformer\.decoder\.)?bbox_embed\.\d+\./,
];

/** Image sizes, and lengths of captions, whose passes are kept. */
const REPLAYED_SIZES = 2;
const REPLAYED_LENGTHS = 4;

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
    private readonly heads: { queries: Tensor; norm: LayerNorm; refPointHead: Perceptron; bboxEmbed: Perceptron },
    private readonly owned: { dispose(): void },
    private readonly replay: { image: Replay; text: Replay; detection: Replay },
  ) {}

  /**
   * Loads a model from a checkpoint with the official keys or those of Hugging Face transformers.
   * @throws CheckpointError naming the key that is missing, misshapen or not finite.
   */
  static async load(checkpoint: Checkpoint, options: GroundingDinoLoadOptions = {}): Promise<GroundingDino> {
    const config = options.config ?? groundingDinoConfigOf(checkpoint);
    const { signal } = options;
    return WeightReader.load(checkpoint, { signal }, (weights) => GroundingDino.#read(weights, config, options));
  }

  static async #read(
    weights: WeightReader,
    config: GroundingDinoConfig,
    { ops = getEngine().ops, replay, onProgress }: GroundingDinoLoadOptions,
  ): Promise<GroundingDino> {
    const source: LayerSource = { weights, ops };
    const { encoderLayers, decoderLayers, queries } = config;
    const steps = encoderLayers + decoderLayers + 3;
    let done = 0;
    const step = async <T>(loading: Promise<T>): Promise<T> => {
      const part = await loading;
      onProgress?.(++done / steps);
      return part;
    };
    const image = await step(ImageBranch.load(source, config));
    const text = await step(TextBranch.load(source, config.textLayers));
    const encoder: EncoderLayer[] = [];
    for (let i = 0; i < encoderLayers; i++) encoder.push(await step(EncoderLayer.load(source, i)));
    const selection = await QuerySelection.load(source);
    const decoder: DecoderLayer[] = [];
    for (let i = 0; i < decoderLayers; i++) decoder.push(await step(DecoderLayer.load(source, i)));
    const table = await weights.take('transformer.tgt_embed.weight', [queries, HIDDEN]);
    const heads = {
      queries: weights.own(tensor2d(table, [queries, HIDDEN])),
      norm: await LayerNorm.load(source, 'transformer.decoder.norm', HIDDEN),
      refPointHead: await Perceptron.load(source, 'transformer.decoder.ref_point_head', [2 * HIDDEN, HIDDEN, HIDDEN]),
      bboxEmbed: await Perceptron.load(source, boxHeadKey(weights), [HIDDEN, HIDDEN, HIDDEN, 4]),
    };
    onProgress?.(1);
    const parts = { image, text, encoder, selection, decoder };
    const passes = (shapes: number) => new Replay({ ops, replay, shapes });
    return new GroundingDino(config, ops, weights.finish(IGNORED_KEYS), parts, heads, weights.handOver(), {
      image: passes(REPLAYED_SIZES),
      text: passes(REPLAYED_LENGTHS),
      detection: passes(REPLAYED_SIZES),
    });
  }

  /**
   * Encodes an image; the result serves any number of captions.
   * @param image float32 [H, W, 4], normalised RGB, the fourth channel zero.
   * @param onTap Sees `input_proj0` to `input_proj3`, float32 [h, w, 256].
   */
  encodeImage(image: Tensor3D, onTap?: OnTap): ImageFeatures {
    const pass = this.replay.image.at(String(image.shape)).begin({ captured: !onTap });
    let features: ImageFeatures;
    try {
      const encode = (inputs: { image: Tensor }) => this.parts.image.encode(inputs.image, onTap);
      const { tokens, levels } = pass.stage('features', { image }, encode);
      const taken = pass.take(tokens);
      features = { tokens: taken, levels, dispose: () => taken.dispose() };
    } finally {
      pass.end();
    }
    // A pooled buffer serves tensors of exactly its size, which after the backbone none has. Where memory is shared with the
    // CPU it is worth more than the milliseconds that new buffers cost.
    const runtime = getEngine();
    if (!pass.replayed && runtime.sharesMemory) runtime.trim();
    return features;
  }

  /** Encodes a caption; the result serves any number of images. The caller disposes its `features`. */
  encodeText(caption: CaptionTokens): TextFeatures {
    const { text } = this.parts;
    const inputs = text.inputs(caption);
    try {
      const passes = this.replay.text.at(String(caption.ids.length));
      return featuresOf(
        caption,
        passes.call({ ...inputs }, (given) => text.forward(given)),
      );
    } finally {
      dispose({ ...inputs });
    }
  }

  /**
   * Finds what a caption speaks of in an image.
   * @throws the signal's reason when aborted.
   */
  async detect(image: ImageFeatures, text: TextFeatures, options: DetectOptions = {}): Promise<RawDetections> {
    const { selection } = this.parts;
    const { signal, onStage, onTap, onQueries, rank } = options;
    signal?.throwIfAborted();
    const { levels } = image;
    const shape = this.replay.detection.at(levels.map(({ height, width }) => `${height}x${width}`).join());
    const geometry = this.#geometry(shape, levels);
    const caption = captionInputs(text);
    const { crossMask } = caption;
    const pass = shape.begin({ captured: !onTap });
    let chosen: ChosenTokens | undefined;
    try {
      const feeds = { image: image.tokens, text: text.features, ...caption };
      const encoded = pass.stage('encoder', feeds, (inputs) => {
        const memory = this.#encode(inputs, geometry, inputs, onTap);
        return { memory, scorer: this.#scorer(memory.text, inputs.bias.size) };
      });
      await onStage?.('encoder');
      const { memory } = encoded;
      const { bias } = caption;
      const scored = pass.stage('selection', { bias }, (inputs) =>
        selection.score(memory.image, geometry.valid, { text: encoded.scorer, bias: inputs.bias }, onTap),
      );
      const scores = new Float32Array(await getEngine().read(scored.best));
      chosen = selection.choose(scores, levels, this.config.queries, rank);
      await onStage?.('selection');
      signal?.throwIfAborted();
      const found = pass.stage('decoder', { ...chosen, bias, crossMask }, (inputs) => {
        const boxes = selection.boxes(scored.tokens, inputs);
        const scorer = { text: encoded.scorer, bias: inputs.bias };
        return this.#decode(boxes, { ...memory, levels, textMask: inputs.crossMask }, scorer, onTap);
      });
      onQueries?.(found.queries);
      await onStage?.('decoder');
      return await readDetections(found, text.tokenMask);
    } finally {
      pass.end();
      dispose({ ...caption, ...chosen });
    }
  }

  /** What is the same for all images of a size; `valid` as in `QuerySelection.score`. */
  #geometry(shape: ReplayShape, levels: readonly LevelSize[]): ImageGeometry & { valid: Tensor } {
    const columns = (name: string, make: (levels: readonly LevelSize[]) => Float32Array, count: number) =>
      shape.constant(name, () => {
        const values = make(levels);
        return tensor2d(values, [values.length / count, count]);
      });
    return {
      levels,
      positions: shape.constant('positions', () => this.parts.image.positions(levels)),
      centres: columns('centres', tokenCentres, 2),
      valid: columns('valid', validProposals, 1),
    };
  }

  /** Image and text after the feature enhancer. */
  #encode({ image, text }: Streams, geometry: ImageGeometry, caption: CaptionInputs, onTap?: OnTap): Streams {
    let streams: Streams = { image, text };
    for (const [i, layer] of this.parts.encoder.entries()) {
      const next = layer.forward(streams, geometry, caption);
      if (i > 0) dispose([streams.image, streams.text]);
      streams = next;
      onTap?.(`enc${i}.text`, streams.text);
      onTap?.(`enc${i}.image`, streams.image);
    }
    return streams;
  }

  /** What turns a token or a query into its logits: text features, transposed, in a multiple of 4 columns. */
  #scorer(text: Tensor, columns: number): Tensor {
    const rows = pad(text as Tensor2D, [
      [0, columns - text.shape[0]!],
      [0, 0],
    ]);
    return this.ops.transpose(rows);
  }

  #decode(start: Tensor, memory: DecoderMemory, scorer: { text: Tensor; bias: Tensor }, onTap?: OnTap): Found {
    const { ops } = this;
    const { queries, norm, refPointHead, bboxEmbed } = this.heads;
    return tidyAll(() => {
      // A small image has fewer tokens than the model has queries.
      let [hidden, boxes] = [slice(queries, 0, start.shape[0]!), start];
      for (const [i, layer] of this.parts.decoder.entries()) {
        const last = i + 1 === this.parts.decoder.length;
        [hidden, boxes] = tidy(() => {
          const positions = refPointHead.forward(ops.boxSineEmbedding(boxes));
          const next = layer.forward(hidden, positions, boxes, memory);
          // The last layer's boxes come from its normalised queries, those of the others do not.
          return [next, last ? boxes : ops.refineBoxes(bboxEmbed.forward(next), boxes)];
        });
        onTap?.(`dec${i}.out`, hidden);
      }
      const normal = norm.forward(hidden);
      return {
        queries: hidden,
        logits: ops.gemm(normal, scorer.text, { bias: scorer.bias }),
        boxes: ops.refineBoxes(bboxEmbed.forward(normal), boxes),
      };
    });
  }

  dispose(): void {
    for (const passes of Object.values(this.replay)) passes.dispose();
    this.owned.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The box head that all decoder layers share, under the first of its names that the file has. */
function boxHeadKey(weights: WeightReader): string {
  const names = [...Array(6).keys()].flatMap((i) => [`transformer.decoder.bbox_embed.${i}`, `bbox_embed.${i}`]);
  return names.find((name) => weights.has(`${name}.layers.0.weight`)) ?? names[0]!;
}

/** What the decoder gives, on the GPU. */
interface Found {
  /** float32 [Q, 256]. */
  queries: Tensor;
  /** float32 [Q, Lp]. */
  logits: Tensor;
  /** float32 [Q, 4]. */
  boxes: Tensor;
}

async function readDetections(found: Found, tokenMask: Uint8Array): Promise<RawDetections> {
  const runtime = getEngine();
  const [wide, boxes] = await Promise.all([runtime.read(found.logits), runtime.read(found.boxes)]);
  const values = new Float32Array(wide);
  const [queries, columns] = found.logits.shape as [number, number];
  const tokens = tokenMask.length;
  const logits = new Float32Array(queries * tokens).fill(Number.NEGATIVE_INFINITY);
  for (let query = 0; query < queries; query++) {
    for (let token = 0; token < tokens; token++) {
      if (tokenMask[token]) logits[query * tokens + token] = values[query * columns + token]!;
    }
  }
  return { queries, tokens, logits, boxes: new Float32Array(boxes) };
}
