import { getEngine } from '@samtrack/kernels';
import { reshape, Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { Checkpoint } from '../checkpoint/index.js';
import type { Box } from '../masks/box.js';
import { disposeAll } from '../nn/tidy.js';
import { segmentEverything } from '../sam/everything.js';
import { PointLabel } from '../sam/point-embedder.js';
import { clampedPrompt } from '../sam/prompt.js';
import type { Point } from '../sam/transforms.js';
import { frameInput } from '../sam2/frame-input.js';
import { blockRows } from '../sam2/image-encoder.js';
import { resizeMap } from '../sam2/mask-arithmetic.js';
import {
  type FramePoints,
  type Sam2LoadOptions,
  Sam2Model,
  STABILITY_FALLBACK,
  type StabilityFallback,
} from '../sam2/model.js';
import { Sam2PromptModel, squeezed } from '../sam2/prompt-model.js';
import { type Sam2EngineOptions, type Sam2Frame, type Sam2Tap, Sam2VideoEngine } from '../sam2/video-engine.js';
import { compareLabels, compareTap, FEATURE_LIMIT, LOGIT_LIMIT, type TapResult, VerificationError } from './taps.js';

/** Largest difference allowed for the logit of an object's being there. */
const SCORE_LIMIT = 1e-3;

/** Largest error allowed for logits where memories are rounded: two that hardly differ can be rounded apart. */
const ROUNDED_LOGIT_LIMIT = 1e-5;

/** Options of `verifySam2`. */
export interface VerifySam2Options extends Sam2LoadOptions {
  /** Names of the runs of the video engine; all by default. */
  runs?: readonly string[] | undefined;
}

/** The parts of a manifest that say what was run. */
interface Recipe {
  image_prompts: {
    name: string;
    points: [number, number][] | null;
    labels: number[] | null;
    box: Box | null;
    mask: string | null;
    multimask: boolean[];
  }[];
  runs: {
    name: string;
    engine: Record<string, number | boolean>;
    engine2?: Record<string, boolean>;
    post?: DecoderSettings;
    memory_dtype: 'float32' | 'bfloat16';
    events: RecipeEvent[];
    state_after: Record<string, { cond_frame_outputs: number[]; non_cond_frame_outputs: number[] }>[];
  }[];
  /** Options of segment everything, by the names of sam2. */
  amg_config?: Record<string, number>;
  sub_sampling: Record<string, number[]>;
  /** How the decoder chooses a mask; the published choice by default. */
  decoder_defaults?: DecoderSettings;
  engine_defaults: Record<string, number | boolean>;
  video: { h: number; w: number; frames: number };
}

/** By the names of sam2. */
interface DecoderSettings {
  dynamic_multimask_via_stability?: boolean;
  dynamic_multimask_stability_delta?: number;
  dynamic_multimask_stability_thresh?: number;
}

type RecipeEvent =
  | {
      op: 'add_points_or_box';
      frame: number;
      obj: number;
      points: Point[] | null;
      labels: number[] | null;
      clear_old_points: boolean;
      box: Box | null;
    }
  | { op: 'add_mask'; frame: number; obj: number; mask: string }
  | { op: 'propagate'; start_frame_idx: number | null; max_frame_num_to_track: number | null; reverse: boolean }
  | { op: 'clear_prompts'; frame: number; obj: number }
  | { op: 'remove_object'; obj: number };

/** Taps that PyTorch has as [1, C, h, w]. */
const CHANNELS_FIRST = /^(fpn\.|image\.(s0|s1|embed)|dense_pe|maskmem)|\.(pix_feat|maskmem|dense)$/;

/** Compares what the network computes with the taps of the same names, whole or sub-sampled. */
class Comparison {
  readonly results: TapResult[] = [];
  logitLimit = LOGIT_LIMIT;
  readonly #pending: Promise<void>[] = [];

  constructor(
    private readonly taps: Checkpoint,
    private readonly steps: Record<string, number[]>,
  ) {}

  /** Compares a value where there is a tap. Tensors are read as they are now. */
  check(name: string, value: Tensor | Float32Array | readonly number[], shape?: readonly number[]): void {
    const key = this.taps.has(name) ? name : this.taps.has(`${name}_sub`) ? `${name}_sub` : undefined;
    if (!key) return;
    const channels = value instanceof Tensor ? value.shape.at(-1)! : 0;
    const data =
      value instanceof Tensor
        ? getEngine()
            .read(value)
            .then((bytes) => new Float32Array(bytes))
        : Promise.resolve(Float32Array.from(value));
    const compared = this.#compare(key, name, data, channels, shape);
    // What is wrong with it, `settle` says.
    compared.catch(() => {});
    this.#pending.push(compared);
  }

  async #compare(
    key: string,
    name: string,
    data: Promise<Float32Array>,
    channels: number,
    shape: readonly number[] | undefined,
  ): Promise<void> {
    const limit = LOGITS.test(name) ? this.logitLimit : FEATURE_LIMIT;
    const reference = await this.taps.read(key);
    let values = await data;
    if (CHANNELS_FIRST.test(name) && channels > 0) values = transposed(values, channels);
    const steps = this.steps[key];
    if (steps) values = subsample(values, reference.shape, steps, shape);
    if (name.endsWith('.object_score')) {
      const error = Math.abs(values[0]! - reference.data[0]!);
      this.results.push({ name, error, limit: SCORE_LIMIT, pass: error <= SCORE_LIMIT });
    } else if (/\.n_(memory_tokens|filled)$/.test(name)) {
      this.exact(name, [...values], [...reference.data]);
    } else {
      this.results.push(compareTap(key, values, reference.data, limit));
    }
  }

  exact(name: string, actual: readonly number[], expected: readonly number[]): void {
    const pass = String(actual) === String(expected);
    this.results.push({
      name: pass ? name : `${name}: ${actual.join(' ')} instead of ${expected.join(' ')}`,
      error: pass ? 0 : 1,
      limit: 0,
      pass,
    });
  }

  /** Compares numbers of pixels, which rounding of a logit may change by a few. */
  within(name: string, actual: readonly number[], expected: readonly number[], limit: number): void {
    const differences = actual.map((value, i) => Math.abs(value - expected[i]!));
    const error = actual.length === expected.length ? Math.max(0, ...differences) : Number.POSITIVE_INFINITY;
    this.results.push({ name, error, limit, pass: error <= limit });
  }

  async settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
  }
}

const LOGITS = /(masks4|low_res|iou|ious\d?|mask_logits|video_res)$/;

/** [n, C] to [C, n]. */
function transposed(values: Float32Array, channels: number): Float32Array {
  const rows = values.length / channels;
  const out = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) for (let c = 0; c < channels; c++) out[c * rows + i] = values[i * channels + c]!;
  return out;
}

/** Every `steps[i]`-th position of each axis; without a shape, axes are multiples of their steps. */
function subsample(
  values: Float32Array,
  wanted: readonly number[],
  steps: readonly number[],
  full: readonly number[] = wanted.map((count, i) => count * steps[i]!),
): Float32Array {
  const total = full.reduce((a, b) => a * b, 1);
  if (total !== values.length) {
    throw new VerificationError(`A tap of [${wanted}] in steps of [${steps}] is none of ${values.length} values.`);
  }
  let offsets = [0];
  let stride = total;
  for (const [axis, count] of wanted.entries()) {
    stride /= full[axis]!;
    const step = steps[axis]! * stride;
    offsets = offsets.flatMap((offset) => Array.from({ length: count }, (_, k) => offset + k * step));
  }
  return Float32Array.from(offsets, (offset) => values[offset]!);
}

/**
 * Runs a SAM 2.1 golden on this machine's adapter: procedural weights, the stored image and frames, and every stored
 * intermediate of the image predictor and of the video engine, event by event, compared with ours.
 *
 * @param manifest The weights' recipe, which says what was run too.
 * @throws VerificationError when manifest or taps lack what a run needs.
 */
export async function verifySam2(
  manifest: Checkpoint,
  taps: Checkpoint,
  { runs, ...options }: VerifySam2Options = {},
): Promise<TapResult[]> {
  const recipe = recipeOf(manifest);
  const model = await Sam2Model.load(manifest, options);
  const comparison = new Comparison(taps, recipe.sub_sampling);
  try {
    await verifyImage(model, recipe, taps, comparison);
    await verifyEverything(model, recipe, taps, comparison);
    for (const run of recipe.runs.filter(({ name }) => runs?.includes(name) ?? true))
      await verifyRun(model, recipe, run, taps, comparison);
  } finally {
    model.dispose();
  }
  return comparison.results;
}

function recipeOf(manifest: Checkpoint): Recipe {
  const field = (name: string) => {
    const text = manifest.metadata[name];
    if (text === undefined)
      throw new VerificationError(`${manifest.file} does not say what was run: it has no "${name}".`);
    return JSON.parse(text);
  };
  const optional = ['amg_config', 'decoder_defaults'].filter((name) => manifest.metadata[name] !== undefined);
  const names = ['image_prompts', 'runs', 'sub_sampling', 'engine_defaults', 'video', ...optional];
  return Object.fromEntries(names.map((name) => [name, field(name)])) as unknown as Recipe;
}

async function verifyImage(model: Sam2Model, recipe: Recipe, taps: Checkpoint, comparison: Comparison): Promise<void> {
  const key = taps.has('image.rgb_u8') ? 'image.rgb_u8' : 'video.frame0.rgb_u8';
  const { data, shape } = await taps.read(key);
  const [height, width] = shape as [number, number];
  const input = squeezed({ height, width, data: Uint8Array.from(data) }, model.imageSize);
  comparison.check('image.input', planes(input, 3));
  comparison.check('dense_pe', model.densePe);
  const inputTensor = tensor(input, [model.imageSize, model.imageSize, 4]);
  const image = model.encode(inputTensor, (name, x) => {
    comparison.check(name.startsWith('fpn') ? name : `enc.${name}`, x);
  });
  inputTensor.dispose();
  const unblocked = (x: Tensor, depth: number, channels: number) =>
    tidy(() => {
      const rows = blockRows(model.side, depth);
      const back = new Int32Array(rows.length);
      rows.forEach((row, i) => {
        back[row] = i;
      });
      return model.ops.gatherRows(reshape(x, [rows.length, channels]), tensor(back, [back.length], 'int32'));
    });
  const skips = [unblocked(image.s0, 2, 32), unblocked(image.s1, 1, 64)] as const;
  comparison.check('image.s0', skips[0]);
  comparison.check('image.s1', skips[1]);
  const features = model.withoutMemory(image.features);
  comparison.check('image.embed', features);
  await comparison.settle();
  const best = new Map<string, Float32Array>();
  const fallback = fallbackOf(recipe.decoder_defaults) || undefined;
  for (const prompt of recipe.image_prompts) {
    const name = `image.${prompt.name}`;
    const scaled = ([x, y]: readonly number[]): Point => [
      (x! * model.imageSize) / width,
      (y! * model.imageSize) / height,
    ];
    const given = taps.has(`${name}.points`) ? pairs((await taps.read(`${name}.points`)).data) : [];
    const box = taps.has(`${name}.box`) ? pairs((await taps.read(`${name}.box`)).data) : [];
    const points: FramePoints = {
      points: [...box, ...given].map(scaled),
      labels: [...(box.length > 0 ? [PointLabel.topLeft, PointLabel.bottomRight] : []), ...(prompt.labels ?? [])],
    };
    const asked = points.points.length > 0 ? model.embedPoints(terminated(points)) : new Float32Array();
    comparison.check(`${name}.sparse`, asked);
    const mask = prompt.mask ? best.get(prompt.mask) : undefined;
    const maskTensor = mask && tensor(mask, [model.lowRes, model.lowRes]);
    if (maskTensor) {
      comparison.check(`${name}.mask_in`, maskTensor);
      const dense = model.embedMask(maskTensor);
      comparison.check(`${name}.dense`, dense);
      dense.dispose();
    }
    const raw = await model.decode(features, image, asked, maskTensor);
    comparison.check(`${name}.masks4`, raw.masks);
    comparison.check(`${name}.ious4`, raw.iou);
    const pixels = model.lowRes ** 2;
    const clamped = (i: number) => clampedPrompt(raw.masks.slice(i * pixels, (i + 1) * pixels));
    for (const multi of prompt.multimask) {
      const chosen = multi ? [1, 2, 3] : [model.choose(raw, false, fallback).mask];
      const kind = `${name}.${multi ? 'multi' : 'single'}`;
      comparison.check(
        `${kind}.low_res`,
        chosen.flatMap((i) => [...clamped(i)]),
      );
      comparison.check(
        `${kind}.iou`,
        chosen.map((i) => raw.iou[i]!),
      );
      const top = chosen.reduce((a, b) => (raw.iou[b]! > raw.iou[a]! ? b : a));
      best.set(`${kind}.low_res:best`, clamped(top));
      if (taps.has(`${kind}.mask_logits`) || taps.has(`${kind}.mask_logits_sub`)) {
        const first = {
          height: model.lowRes,
          width: model.lowRes,
          data: raw.masks.slice(chosen[0]! * pixels, (chosen[0]! + 1) * pixels),
        };
        comparison.check(`${kind}.mask_logits`, resizeMap(first, height, width).data, [1, height, width]);
      }
    }
    await comparison.settle();
    maskTensor?.dispose();
  }
  disposeAll(image, skips, features);
}

/** Segment everything: which masks are found, from which points and crops; the best first. */
async function verifyEverything(
  model: Sam2Model,
  { amg_config: config }: Recipe,
  taps: Checkpoint,
  comparison: Comparison,
): Promise<void> {
  if (!config || !taps.has('amg.bbox')) return;
  const { data, shape } = await taps.read(taps.has('image.rgb_u8') ? 'image.rgb_u8' : 'video.frame0.rgb_u8');
  const [height, width] = shape as [number, number];
  const image = { height, width, data: Uint8Array.from(data) };
  const found = await segmentEverything(new Sam2PromptModel(model), image, {
    pointsPerSide: config['points_per_side'],
    pointsPerBatch: config['points_per_batch'],
    predIouThresh: config['pred_iou_thresh'],
    stabilityScoreThresh: config['stability_score_thresh'],
    stabilityScoreOffset: config['stability_score_offset'],
    boxNmsThresh: config['box_nms_thresh'],
    cropNmsThresh: config['crop_nms_thresh'],
    cropNLayers: config['crop_n_layers'],
    cropNPointsDownscaleFactor: config['crop_n_points_downscale_factor'],
    outputMode: 'uncompressed_rle',
  });
  found.sort((a, b) => b.predictedIou - a.predictedIou);
  comparison.check(
    'amg.predicted_iou',
    found.map(({ predictedIou }) => predictedIou),
  );
  comparison.check(
    'amg.stability_score',
    found.map(({ stabilityScore }) => stabilityScore),
  );
  comparison.check(
    'amg.points',
    found.flatMap(({ pointCoords }) => [...pointCoords[0]]),
  );
  for (const [name, values] of [
    ['amg.bbox', found.flatMap(({ bbox }) => bbox)],
    ['amg.crop_box', found.flatMap(({ cropBox }) => cropBox)],
    ['amg.area', found.map(({ area }) => area)],
  ] as const) {
    comparison.within(name, values, [...(await taps.read(name)).data], 1);
  }
  await comparison.settle();
}

const terminated = ({ points, labels }: FramePoints): FramePoints => ({
  points: [...points, [0, 0]],
  labels: [...labels, PointLabel.padding],
});

const pairs = (values: Float32Array): Point[] =>
  Array.from({ length: values.length / 2 }, (_, i): Point => [values[2 * i]!, values[2 * i + 1]!]);

/** [n, 4] as the first planes one after the other. */
function planes(values: Float32Array, count: number): Float32Array {
  const pixels = values.length / 4;
  return Float32Array.from({ length: count * pixels }, (_, i) => values[(i % pixels) * 4 + Math.floor(i / pixels)]!);
}

/** When a single mask gives way to the best of three; `false` for never. */
const fallbackOf = ({
  dynamic_multimask_via_stability: falls = true,
  dynamic_multimask_stability_delta: delta = STABILITY_FALLBACK.delta,
  dynamic_multimask_stability_thresh: threshold = STABILITY_FALLBACK.threshold,
}: DecoderSettings = {}): StabilityFallback | false => falls && { delta, threshold };

function engineOptions(recipe: Recipe, run: Recipe['runs'][number]): Sam2EngineOptions {
  const settings = { ...recipe.engine_defaults, ...run.engine, ...run.engine2 };
  const most = settings['max_cond_frames_in_attn'] as number;
  return {
    binaryPrompts: settings['binarize_mask_from_pts_for_mem_enc'] as boolean,
    fillHoleArea: settings['fill_hole_area'] as number,
    nonOverlap: settings['non_overlap_masks'] as boolean,
    conditionOnCorrections: settings['add_all_frames_to_correct_as_cond'] as boolean,
    ...(most >= 0 ? { maxConditioningFrames: most } : {}),
    maxPointers: settings['max_obj_ptrs_in_encoder'] as number,
    memoryStride: settings['memory_temporal_stride_for_eval'] as number,
    memoryPrecision: run.memory_dtype,
    fallback: fallbackOf({ ...recipe.decoder_defaults, ...run.post }),
  };
}

async function verifyRun(
  model: Sam2Model,
  recipe: Recipe,
  run: Recipe['runs'][number],
  taps: Checkpoint,
  comparison: Comparison,
): Promise<void> {
  const { h: height, w: width, frames } = recipe.video;
  comparison.logitLimit = run.memory_dtype === 'bfloat16' ? ROUNDED_LOGIT_LIMIT : LOGIT_LIMIT;
  let event = '';
  const onTap: Sam2Tap = (name, value) => comparison.check(`${event}.${name}`, value);
  const engine = new Sam2VideoEngine(
    model,
    {
      height,
      width,
      frames,
      input: async (frame) => {
        const { data } = await taps.read(`video.frame${frame}.rgb_u8`);
        const input = frameInput({ height, width, data: Uint8Array.from(data) }, model.imageSize);
        const values = new Float32Array(await getEngine().read(input));
        comparison.check(`video.frame${frame}.input`, planes(values, 3));
        return input;
      },
    },
    engineOptions(recipe, run),
    onTap,
  );
  const result = async ({ frame, objects, logits }: Sam2Frame) => {
    const name = `${event}.f${frame}`;
    if (taps.has(`${name}.obj_ids`)) {
      comparison.exact(`${name}.obj_ids`, objects, [...(await taps.read(`${name}.obj_ids`)).data]);
    }
    if (taps.has(`${name}.video_mask_bits`)) {
      const bits = (await taps.readRaw(`${name}.video_mask_bits`)).data;
      const pixels = logits.flatMap((map) => Array.from(map, (logit) => (logit > 0 ? 1 : 0)));
      const expected = pixels.map((_, i) => (bits[i >> 3]! >> (7 - (i & 7))) & 1);
      comparison.results.push(compareLabels(`${name}.video_mask_bits`, pixels, expected));
    }
    if (taps.has(`${name}.video_res`))
      comparison.check(
        `${name}.video_res`,
        logits.flatMap((map) => [...map]),
        [logits.length, 1, height, width],
      );
    await comparison.settle();
  };
  try {
    for (const [i, step] of run.events.entries()) {
      event = `${run.name}.e${String(i).padStart(2, '0')}`;
      const order: number[] = [];
      switch (step.op) {
        case 'add_points_or_box':
          await result(
            await engine.addPoints(step.frame, step.obj, {
              points: step.points ?? [],
              labels: step.labels ?? [],
              ...(step.box ? { box: step.box } : {}),
              append: !step.clear_old_points,
            }),
          );
          break;
        case 'add_mask':
          await result(await engine.addMask(step.frame, step.obj, (await taps.read(`${step.mask}.mask_u8`)).data));
          break;
        case 'clear_prompts':
          await result(await engine.clearPrompts(step.frame, step.obj));
          break;
        case 'remove_object':
          engine.removeObject(step.obj);
          break;
        case 'propagate':
          for await (const frame of engine.propagate({
            ...(step.start_frame_idx === null ? {} : { start: step.start_frame_idx }),
            ...(step.max_frame_num_to_track === null ? {} : { count: step.max_frame_num_to_track }),
            backward: step.reverse,
          })) {
            order.push(frame.frame);
            await result(frame);
          }
          if (taps.has(`${event}.frame_order`)) {
            comparison.exact(`${event}.frame_order`, order, [...(await taps.read(`${event}.frame_order`)).data]);
          }
      }
      const expected = Object.values(run.state_after[i]!);
      engine.objects.forEach((object, index) => {
        const { conditioning, tracked } = engine.rememberedFrames(object);
        const state = expected[index]!;
        const sorted = (values: number[]) => [...values].sort((a, b) => a - b);
        comparison.exact(`${event}.o${index}.cond`, conditioning, sorted(state.cond_frame_outputs));
        comparison.exact(`${event}.o${index}.non_cond`, tracked, sorted(state.non_cond_frame_outputs));
      });
      await comparison.settle();
    }
  } finally {
    engine.dispose();
  }
}
