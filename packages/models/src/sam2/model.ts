import { getEngine, type OpSet } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { type Checkpoint, CheckpointError, WeightReader } from '../checkpoint/index.js';
import type { HieraTap } from '../encoders/hiera.js';
import { Conv2d } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import { Perceptron } from '../nn/mlp.js';
import { Replay } from '../nn/replay.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
import { fingerprint } from '../sam/embedding.js';
import { PointLabel } from '../sam/point-embedder.js';
import { PromptEncoder } from '../sam/prompt-encoder.js';
import type { Point } from '../sam/transforms.js';
import type { ImageTokens } from '../sam/two-way-transformer.js';
import {
  FEATURE_STRIDE,
  FEATURES,
  MEMORY_CHANNELS,
  publishedName,
  SAM2_CONFIGS,
  type Sam2Config,
  type Sam2Name,
  statedConfig,
} from './config.js';
import { Sam2Error } from './error.js';
import { type ImageFeatures, Sam2ImageEncoder } from './image-encoder.js';
import { type FloatMap, resizeMap, resizeMapAntialiased, stabilityScore } from './mask-arithmetic.js';
import { type DecodedObjects, Sam2MaskDecoder, UPSCALED_CHANNELS } from './mask-decoder.js';
import { type AttentionStart, MemoryAttention, type MemoryContext } from './memory-attention.js';
import { MemoryEncoder } from './memory-encoder.js';
import { sineOf } from './positions.js';

/** Options of `Sam2Model.load`. */
export interface Sam2LoadOptions {
  /** The operations to build on; the hand-written kernels by default. */
  ops?: OpSet | undefined;
  /** Sizes that shapes do not tell; what the file states, or those of the published model of this width and depth by default. */
  config?: Sam2Config | undefined;
  /**
   * Side of the square image in pixels, a multiple of 32; 1024 by default, which the published weights were trained for. Positions
   * are made anew for another side. At 512 a frame costs a quarter, memory attention a sixteenth, and small objects are lost.
   */
  imageSize?: number | undefined;
  /**
   * Captures passes that recur and replays them from then on: a fraction of the CPU time, but memory for the intermediate results. By
   * default where the GPU has memory of its own, and on the CPU; with other operations than the engine's never.
   */
  replay?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the share of the weights that is loaded, 0..1. */
  onProgress?: ((fraction: number) => void) | undefined;
}

/** A prompt in the network's image: pixels of `imageSize` squared. */
export interface FramePoints {
  points: readonly Point[];
  /** One for each point, `PointLabel`. */
  labels: readonly number[];
}

/** When a single mask gives way to the best of the three others. */
export interface StabilityFallback {
  /** How far from the threshold stability is measured. */
  delta: number;
  /** Stability below which it does. */
  threshold: number;
}

/** The published ones (sam2, `build_sam.py`). */
export const STABILITY_FALLBACK: StabilityFallback = { delta: 0.05, threshold: 0.98 };

/** Logit of every pixel of an object that is not there. */
export const ABSENT_LOGIT = -1024;

/** Logits of a mask that is given, inside and outside of the object. */
const GIVEN_LOGIT = 10;

/** What the heads of the tracker make of a prompt or of a memory. */
export interface ObjectOutput {
  /** Logits of the mask, side 4 n. */
  lowRes: Float32Array;
  /** float32 [256]. */
  pointer: Float32Array;
  /** Logit of the object's being there. */
  score: number;
  /** IoU with the true mask, as the network predicts it. */
  iou: number;
}

/** All that the decoder gave, for comparison with other implementations. */
export interface RawOutput {
  masks: Float32Array;
  iou: Float32Array;
  score: number;
  tokens: Float32Array;
}

/** The same, with the pointer that each mask token would become. */
interface DecodedObject extends RawOutput {
  pointers: Float32Array;
}

/** What the decoder makes of some prompts, and the pointers that their tokens would become, float32 [P * 4, 256]. */
type DecodedBatch = DecodedObjects & { pointers: Tensor };

/** How a mask is chosen. */
export interface SegmentOptions {
  /** Whether it is the best of three or the single one. */
  multimask: boolean;
  /** When a single mask gives way to the best of the three others; never by default. */
  fallback?: StabilityFallback | undefined;
}

/** Prompts of a pass at most. */
const MAX_PROMPTS = 16;

/** Most bytes that a pass's largest buffer may take. */
const MAX_BYTES = 128 * 2 ** 20;

/** Most bytes of the queries and keys of all objects of a pass of the memory attention. */
const MAX_ATTENDING_BYTES = 32 * 2 ** 20;

/** Kinds of replayed passes. Those of many prompts are large, and not always needed. */
const IMAGE = 'image';
const OBJECT = 'object';
const OBJECTS = 'objects';

/** Passes that are captured, and replayed where they recur. */
interface Passes {
  /** Of an image. */
  image: Replay;
  /** Of memories, by the number of objects: they grow from frame to frame at first, and are alike from then on. */
  memory: Replay;
  /** Of prompts and masks. */
  objects: Replay;
}

const IGNORED_KEYS = ['no_mem_pos_enc'];

/** Channels of a memory token, of which a pointer becomes several. */
const POINTER_TOKENS = FEATURES / MEMORY_CHANNELS;

/** What the model consists of; the layers named as in the state dict. */
interface Sam2Parts {
  encoder: Sam2ImageEncoder;
  prompts: PromptEncoder;
  decoder: Sam2MaskDecoder;
  memoryAttention: MemoryAttention;
  memoryEncoder: MemoryEncoder;
  objPtrProj: Perceptron;
  objPtrTposProj: Linear;
  /** A given mask on its way to the mask prompt. */
  maskDownsample: Conv2d;
  /** Added to features that no memory is attended from, float32 [256]. */
  noMemEmbed: Tensor;
  /** The pointer of an object that is not there, flat [256]. */
  noObjPtr: Float32Array;
}

/**
 * SAM 2.1 (Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024; sam2, `modeling/sam2_base.py`): the network alone.
 * Which frames an object remembers is `Sam2VideoEngine`'s matter, images are `Sam2Predictor`'s.
 */
export class Sam2Model {
  private constructor(
    readonly ops: OpSet,
    readonly config: Sam2Config,
    /** Identifies the weights. */
    readonly fingerprint: string,
    /** Keys of the checkpoint that the network does not know. */
    readonly unexpectedKeys: readonly string[],
    private readonly parts: Sam2Parts,
    private readonly passes: Passes,
    private readonly owned: { dispose(): void },
  ) {}

  /**
   * Loads a model from a checkpoint with the keys of sam2.
   * @throws CheckpointError naming the key that is missing, misshapen or not finite; `wrong-architecture` for SAM 2.0. Sam2Error `option`.
   */
  static async load(checkpoint: Checkpoint, options: Sam2LoadOptions = {}): Promise<Sam2Model> {
    const { ops = getEngine().ops, replay, signal, onProgress } = options;
    return WeightReader.load(checkpoint, { signal }, async (weights) => {
      const source: LayerSource = { weights, ops };
      const config = configOf(weights, checkpoint.metadata, options);
      const encoder = await Sam2ImageEncoder.load(source, config, (fraction) => onProgress?.(0.9 * fraction));
      const parts: Sam2Parts = {
        encoder,
        prompts: await PromptEncoder.load(source, config.imageSize, 'sam_prompt_encoder'),
        decoder: await Sam2MaskDecoder.load(source),
        memoryAttention: await MemoryAttention.load(source, config, config.imageSize / FEATURE_STRIDE),
        memoryEncoder: await MemoryEncoder.load(source),
        objPtrProj: await Perceptron.load(source, 'obj_ptr_proj', [FEATURES, FEATURES, FEATURES, FEATURES]),
        objPtrTposProj: await Linear.load(source, 'obj_ptr_tpos_proj', FEATURES, MEMORY_CHANNELS),
        maskDownsample: await Conv2d.load(source, 'mask_downsample', 1, 1, 4, { stride: 4 }),
        noMemEmbed: weights.own(tensor(await weights.take('no_mem_embed', [1, 1, FEATURES]), [FEATURES])),
        noObjPtr: await weights.take('no_obj_ptr', [1, FEATURES]),
      };
      onProgress?.(1);
      const identity = fingerprint([parts.prompts.identity, parts.decoder.outputTokens.values]);
      const unexpected = weights.finish(IGNORED_KEYS);
      const passes: Passes = {
        image: new Replay({ ops, replay, shapes: 1 }),
        // Full passes, the rest of the objects, and one that is prompted.
        memory: new Replay({ ops, replay, shapes: 3, passes: 1, trims: false }),
        objects: new Replay({ ops, replay, shapes: 2, trims: false }),
      };
      return new Sam2Model(ops, config, identity, unexpected, parts, passes, weights.handOver());
    });
  }

  /** The same network, none of whose passes are captured: for a few prompts beside a video. It goes with this one. */
  get direct(): Sam2Model {
    const { ops, config, unexpectedKeys, parts } = this;
    const never = () => new Replay({ ops, replay: false, shapes: 1 });
    const passes: Passes = { image: never(), memory: never(), objects: never() };
    return new Sam2Model(ops, config, this.fingerprint, unexpectedKeys, parts, passes, { dispose: () => {} });
  }

  /** Which published model has this encoder; none for others. */
  get name(): Sam2Name | undefined {
    const { embed, stages } = this.config;
    return publishedName(
      embed,
      stages.reduce((a, b) => a + b, 0),
    );
  }

  /** Side of the square image in pixels. */
  get imageSize(): number {
    return this.config.imageSize;
  }

  /** Positions along a side of the features. */
  get side(): number {
    return this.imageSize / FEATURE_STRIDE;
  }

  /** Side of mask logits and mask prompts. */
  get lowRes(): number {
    return 4 * this.side;
  }

  /** @param image float32 [imageSize, imageSize, 4], normalised, the fourth channel zero. The result is the caller's. */
  encode(image: Tensor, onTap?: HieraTap): ImageFeatures {
    const { encoder } = this.parts;
    return this.passes.image
      .at(IMAGE)
      .call({ image }, (inputs) => encoder.forward(inputs.image, onTap), { statics: 'encode', captured: !onTap });
  }

  /** Features of an image for a decoder without memory, float32 [n^2, 256]. */
  withoutMemory(features: Tensor): Tensor {
    return this.ops.broadcastAdd(features, this.parts.noMemEmbed);
  }

  /** Where memory attention begins, for all objects of a frame. @param features float32 [n^2, 256] */
  beginAttention(features: Tensor): AttentionStart {
    const { memoryAttention } = this.parts;
    return this.passes.image
      .at(IMAGE)
      .call({ features }, (inputs) => memoryAttention.begin(inputs.features), { statics: 'begin' });
  }

  /**
   * Features that the memories of some objects were attended from, float32 [objects n^2, 256].
   * @param contexts At most `attendingAPass`.
   */
  withMemory(
    start: AttentionStart,
    contexts: readonly MemoryContext[],
    onTap?: (name: string, tensor: Tensor) => void,
  ): Tensor {
    const { memoryAttention } = this.parts;
    // Which rows of the temporal encoding it is, nothing but this tells.
    const statics = contexts.map(({ frames }) => frames.map(({ row }) => row)).join(';');
    const feeds = { ...start, ...memoryFeeds(contexts) };
    const attend = ({ attended, query, ...memories }: typeof feeds) => ({
      seen: memoryAttention.forward({ attended, query }, fedMemories(contexts, memories), onTap),
    });
    return this.passes.memory.at(String(contexts.length)).call(feeds, attend, { statics, captured: !onTap }).seen;
  }

  /** Objects whose memories one pass attends to at most. */
  get attendingAPass(): number {
    return Math.max(1, Math.min(MAX_PROMPTS, Math.floor(MAX_ATTENDING_BYTES / (this.side ** 2 * 2 * FEATURES * 4))));
  }

  /** Tokens of pointers and their positions. @param distances of each in frames, 0 to 1 for the furthest */
  pointerContext(pointers: readonly Float32Array[], distances: readonly number[]): MemoryContext['pointers'] {
    if (pointers.length === 0) return undefined;
    const tokens = new Float32Array(pointers.length * FEATURES);
    const sines = new Float32Array(pointers.length * FEATURES);
    for (const [i, pointer] of pointers.entries()) {
      tokens.set(pointer, i * FEATURES);
      sines.set(sineOf(distances[i]!, FEATURES), i * FEATURES);
    }
    return tidyAll(() => {
      const positions = this.parts.objPtrTposProj.forward(tensor(sines, [pointers.length, FEATURES]));
      const repeated = this.ops.concatColumns(Array.from({ length: POINTER_TOKENS }, () => ({ x: positions })));
      const rows = [pointers.length * POINTER_TOKENS, MEMORY_CHANNELS];
      return { tokens: tensor(tokens, rows as [number, number]), positions: reshape(repeated, rows) };
    });
  }

  /** Embedded points, flat [points, 256]. Every prompt with points ends in one that is none. */
  embedPoints({ points, labels }: FramePoints): Float32Array {
    return this.parts.prompts.sparse({ points, labels }, { cornerLabels: true });
  }

  /** An embedded mask, float32 [n^2, 256]. @param logits float32 [lowRes, lowRes] */
  embedMask(logits: Tensor): Tensor {
    return tidy(() => this.parts.prompts.dense(reshape(logits, [1, this.lowRes, this.lowRes])));
  }

  /** Positions of the features' grid, float32 [n^2, 256]. The model's own. */
  get densePe(): Tensor {
    return this.parts.prompts.densePe;
  }

  /**
   * Decodes prompts of equally many tokens, all with a mask or all without.
   * @param features From `withoutMemory` or `withMemory`: of all prompts, or of each, one below the other.
   * @param points Embedded points of each prompt, from `embedPoints`; may be empty.
   * @param masks Logits of earlier masks, float32 [P, lowRes, lowRes].
   */
  decodeBatch(
    features: Tensor,
    { s1, s0 }: Pick<ImageFeatures, 's0' | 's1'>,
    points: readonly Float32Array[],
    masks?: Tensor,
  ): DecodedBatch {
    const { decoder, prompts, objPtrProj } = this.parts;
    const batch = points.length;
    const tokens = decoder.outputTokens.before(points);
    const feeds = { features, s1, s0, tokens, masks };
    const decode = (given: typeof feeds): DecodedBatch => {
      const image = given.masks ? this.#maskedTokens(given.features, given.masks) : this.#imageTokens(given.features);
      const asked = { batch, tokens: given.tokens };
      const decoded = decoder.decode(asked, image, undefined, { s1: given.s1, s0: given.s0 }, prompts.densePe);
      return { ...decoded, pointers: objPtrProj.forward(decoded.tokens) };
    };
    try {
      return this.passes.objects.at(batch === 1 ? OBJECT : OBJECTS).call(feeds, decode, { statics: 'decode' });
    } finally {
      tokens.dispose();
    }
  }

  /** Frees what is kept for passes of many prompts. */
  forgetBatches(): void {
    this.passes.objects.forget(OBJECTS);
  }

  /** Tokens of an image that all prompts share, or of one for each. */
  #imageTokens(features: Tensor): ImageTokens {
    const { ops } = this;
    const { noMaskEmbed, densePe } = this.parts.prompts;
    const batch = features.shape[0]! / densePe.shape[0]!;
    const tokens = ops.broadcastAdd(features, noMaskEmbed);
    const byImage = reshape(tokens, [batch, ...densePe.shape]);
    return { batch, tokens, positioned: reshape(ops.broadcastAdd(byImage, densePe), tokens.shape) };
  }

  /** Tokens of prompts that have a mask each. */
  #maskedTokens(features: Tensor, masks: Tensor): ImageTokens {
    const { ops } = this;
    const { prompts } = this.parts;
    const batch = masks.shape[0]!;
    const tokens = ops.broadcastAdd(reshape(prompts.dense(masks), [batch, ...features.shape]), features);
    const positioned = ops.broadcastAdd(tokens, prompts.densePe);
    const rows = [batch * features.shape[0]!, FEATURES];
    return { batch, tokens: reshape(tokens, rows), positioned: reshape(positioned, rows) };
  }

  /** Decodes one prompt, as `decodeBatch`, and reads the result. @param mask float32 [lowRes, lowRes] */
  async decode(
    features: Tensor,
    skips: Pick<ImageFeatures, 's0' | 's1'>,
    points: Float32Array,
    mask?: Tensor,
  ): Promise<DecodedObject> {
    const masks = mask && reshape(mask, [1, this.lowRes, this.lowRes]);
    try {
      return (await this.#decodeObjects(features, skips, [points], masks))[0]!;
    } finally {
      masks?.dispose();
    }
  }

  async #decodeObjects(
    features: Tensor,
    skips: Pick<ImageFeatures, 's0' | 's1'>,
    points: readonly Float32Array[],
    masks?: Tensor,
  ): Promise<DecodedObject[]> {
    const result = this.decodeBatch(features, skips, points, masks);
    try {
      const runtime = getEngine();
      const read = async (x: Tensor) => new Float32Array(await runtime.read(x));
      const [allMasks, iou, score, tokens, pointers] = await Promise.all([
        read(result.masks),
        read(result.iou),
        read(result.score),
        read(result.tokens),
        read(result.pointers),
      ]);
      const count = points.length;
      const share = (values: Float32Array, i: number) => {
        const length = values.length / count;
        return values.subarray(i * length, (i + 1) * length);
      };
      return points.map((_, i) => ({
        masks: share(allMasks, i),
        iou: share(iou, i).map(sigmoid),
        score: score[i]!,
        tokens: share(tokens, i),
        pointers: share(pointers, i),
      }));
    } finally {
      dispose({ ...result });
    }
  }

  /** The mask of a prompt, and the mask token it comes from. @param multimask whether it is the best of three or the single one */
  choose(
    { masks, iou }: Pick<RawOutput, 'masks' | 'iou'>,
    multimask: boolean,
    fallback: StabilityFallback | undefined,
  ): { mask: number; token: number } {
    const best = iou[2]! > iou[1]! ? (iou[3]! > iou[2]! ? 3 : 2) : iou[3]! > iou[1]! ? 3 : 1;
    if (multimask) return { mask: best, token: best };
    const single = masks.subarray(0, this.lowRes ** 2);
    const stable = !fallback || stabilityScore(single, fallback.delta) >= fallback.threshold;
    // A mask that steps in keeps the token of the one it stands for.
    return { mask: stable ? 0 : best, token: 0 };
  }

  /**
   * The tracker's heads (sam2, `_forward_sam_heads`), on features float32 [tokens, 256] at stride 16 and maps at strides 4 and 8 that the decoder skips to.
   */
  async segment(
    features: Tensor,
    skips: Pick<ImageFeatures, 's0' | 's1'>,
    points: Float32Array,
    options: SegmentOptions & { mask?: Tensor; onRaw?: (raw: RawOutput) => void },
  ): Promise<ObjectOutput> {
    const raw = await this.decode(features, skips, points, options.mask);
    options.onRaw?.(raw);
    return this.#chosen(raw, options);
  }

  /**
   * The same for objects of a frame that nobody prompted.
   * @param features float32 [objects * tokens, 256], of each object from `withMemory`; of `objectsAPass` objects at most.
   */
  async segmentObjects(
    features: Tensor,
    skips: Pick<ImageFeatures, 's0' | 's1'>,
    options: SegmentOptions,
  ): Promise<ObjectOutput[]> {
    const points = this.embedPoints(NO_POINTS);
    const objects = features.shape[0]! / this.side ** 2;
    const asked = Array.from({ length: objects }, () => points);
    const decoded = await this.#decodeObjects(features, skips, asked);
    return decoded.map((raw) => this.#chosen(raw, options));
  }

  /** Prompts that one pass of the decoder takes at most: enough to fill a GPU, with buffers within what one binding covers. */
  get objectsAPass(): number {
    return Math.max(1, Math.min(MAX_PROMPTS, Math.floor(MAX_BYTES / (this.lowRes ** 2 * UPSCALED_CHANNELS * 4))));
  }

  #chosen(raw: DecodedObject, { multimask, fallback }: SegmentOptions): ObjectOutput {
    const { mask, token } = this.choose(raw, multimask, fallback);
    const present = raw.score > 0;
    const pixels = this.lowRes ** 2;
    return {
      lowRes: present
        ? raw.masks.slice(mask * pixels, (mask + 1) * pixels)
        : new Float32Array(pixels).fill(ABSENT_LOGIT),
      pointer: present ? raw.pointers.slice(token * FEATURES, (token + 1) * FEATURES) : this.parts.noObjPtr.slice(),
      score: raw.score,
      iou: raw.iou[mask]!,
    };
  }

  /**
   * A given mask as the network's own output (sam2, `_use_mask_as_output`).
   * @param mask 0 and 1, side `imageSize`.
   */
  async adoptMask(
    features: ImageFeatures,
    mask: FloatMap,
    onRaw?: (raw: RawOutput) => void,
    onMask?: (logits: Float32Array) => void,
  ): Promise<ObjectOutput> {
    const given = mask.data.some((value) => value > 0);
    const high = { ...mask, data: mask.data.map((value) => 2 * GIVEN_LOGIT * value - GIVEN_LOGIT) };
    const prompt = tidy(() => {
      const image = tensor(mask.data, [mask.height, mask.width, 1]);
      return reshape(this.parts.maskDownsample.forward(image), [this.lowRes, this.lowRes]);
    });
    try {
      onMask?.(new Float32Array(await getEngine().read(prompt)));
      const output = await this.segment(features.features, features, this.embedPoints(NO_POINTS), {
        mask: prompt,
        multimask: false,
        ...(onRaw ? { onRaw } : {}),
      });
      return {
        lowRes: resizeMapAntialiased(high, this.lowRes, this.lowRes).data,
        pointer: given ? output.pointer : this.parts.noObjPtr.slice(),
        score: given ? GIVEN_LOGIT : -GIVEN_LOGIT,
        iou: 1,
      };
    } finally {
      prompt.dispose();
    }
  }

  /** What is found of an object that is not there (sam2, `no_obj_ptr`). */
  absentObject(): ObjectOutput {
    const lowRes = new Float32Array(this.lowRes ** 2).fill(ABSENT_LOGIT);
    return { lowRes, pointer: this.parts.noObjPtr.slice(), score: -GIVEN_LOGIT, iou: 0 };
  }

  /** What the memories of all objects of a frame share, from its features, float32 [tokens, 256]. */
  projectForMemory(features: Tensor): Tensor {
    const { memoryEncoder } = this.parts;
    const project = (inputs: { features: Tensor }) => ({ projected: memoryEncoder.project(inputs.features) });
    return this.passes.image.at(IMAGE).call({ features }, project, { statics: 'project' }).projected;
  }

  /**
   * Makes a memory, float32 [n^2, 64].
   * @param projected From `projectForMemory`.
   * @param binary Whether the mask is cut into 0 and 1 first.
   */
  memorise(projected: Tensor, output: Pick<ObjectOutput, 'lowRes' | 'score'>, binary: boolean): Tensor {
    const { lowRes, imageSize } = this;
    const { memoryEncoder } = this.parts;
    const map = { height: lowRes, width: lowRes, data: output.lowRes };
    const given = binary
      ? tensor(
          resizeMap(map, imageSize, imageSize).data.map((logit) => (logit > 0 ? 0.5 : -0.5)),
          [imageSize, imageSize],
        )
      : tensor(output.lowRes, [lowRes, lowRes, 1]);
    const feeds = { projected, given, marker: memoryEncoder.marker(output.score > 0) };
    const encode = (inputs: typeof feeds) => {
      const mask = binary ? inputs.given : memoryEncoder.softMask(inputs.given, imageSize);
      return { memory: memoryEncoder.encode(inputs.projected, mask, inputs.marker) };
    };
    try {
      return this.passes.objects.at(OBJECT).call(feeds, encode, { statics: `memorise ${binary}` }).memory;
    } finally {
      given.dispose();
    }
  }

  dispose(): void {
    for (const passes of Object.values(this.passes)) passes.dispose();
    this.owned.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Tensors of memories by name. */
function memoryFeeds(contexts: readonly MemoryContext[]): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const [object, { frames, pointers }] of contexts.entries()) {
    for (const [i, { memory }] of frames.entries()) feeds[`memory${object}.${i}`] = memory;
    if (!pointers) continue;
    feeds[`tokens${object}`] = pointers.tokens;
    feeds[`positions${object}`] = pointers.positions;
  }
  return feeds;
}

/** Memories that are made like these, of `memoryFeeds`. */
const fedMemories = (contexts: readonly MemoryContext[], feeds: Record<string, Tensor>): MemoryContext[] =>
  contexts.map(({ frames, pointers }, object) => ({
    frames: frames.map(({ row }, i) => ({ memory: feeds[`memory${object}.${i}`]!, row })),
    ...(pointers && {
      pointers: { tokens: feeds[`tokens${object}`]!, positions: feeds[`positions${object}`]! },
    }),
  }));

/** What a frame without prompts asks: one point that is none, and the one that every prompt ends in. */
export const NO_POINTS: FramePoints = {
  points: [
    [0, 0],
    [0, 0],
  ],
  labels: [PointLabel.padding, PointLabel.padding],
};

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** @throws CheckpointError `wrong-architecture`; Sam2Error `option` */
function configOf(
  weights: WeightReader,
  metadata: Checkpoint['metadata'],
  { config, imageSize }: Sam2LoadOptions,
): Sam2Config {
  if (weights.has('memory_attention.norm.weight') && !weights.has('no_obj_embed_spatial')) {
    const message = 'this is SAM 2.0, not SAM 2.1: it lacks "no_obj_embed_spatial"';
    throw new CheckpointError('wrong-architecture', message, { file: weights.file, key: 'no_obj_embed_spatial' });
  }
  const found = config ?? statedConfig(metadata) ?? publishedConfig(weights);
  if (imageSize === undefined) return found;
  if (!(Number.isSafeInteger(imageSize) && imageSize >= 64 && imageSize % 32 === 0)) {
    throw new Sam2Error('option', `imageSize is ${imageSize}, a multiple of 32 from 64 on is needed.`);
  }
  return { ...found, imageSize };
}

/** @throws CheckpointError `wrong-architecture` */
function publishedConfig(weights: WeightReader): Sam2Config {
  const prefix = 'image_encoder.trunk.';
  const [embed] = weights.shape(`${prefix}patch_embed.proj.weight`);
  let depth = 0;
  while (weights.has(`${prefix}blocks.${depth}.norm1.weight`)) depth++;
  const found = publishedName(embed!, depth);
  if (found) return SAM2_CONFIGS[found];
  throw new CheckpointError(
    'wrong-architecture',
    `no published SAM 2.1 has an encoder of width ${embed} and this depth`,
    {
      file: weights.file,
    },
  );
}
