import { getEngine } from '@samtrack/kernels';
import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { Checkpoint } from '../checkpoint/index.js';
import type { Box } from '../masks/box.js';
import { decodeRle } from '../masks/index.js';
import { type SamLoadOptions, SamModel } from '../sam/model.js';
import { SamPredictor } from '../sam/predictor.js';
import type { SamPrompt } from '../sam/prompt.js';
import type { Point } from '../sam/transforms.js';
import { compareEncoderTaps, verifySamEncoder } from './sam-encoder.js';
import { compareTap, FEATURE_LIMIT, LOGIT_LIMIT, type TapResult, VerificationError } from './taps.js';

const PROMPTS = ['point1', 'points3', 'box', 'box_point', 'mask_prompt'] as const;

/** Allowed share of a mask's pixels, of its union with the reference, that are in one of them only. */
const MASK_LIMIT = 1e-3;

/** Every `step`-th row and column of maps [count, height, width]. */
function subsample(maps: Float32Array, count: number, [height, width]: readonly [number, number], step: number) {
  const out: number[] = [];
  for (let map = 0; map < count; map++) {
    for (let y = 0; y < height; y += step) {
      for (let x = 0; x < width; x += step) out.push(maps[(map * height + y) * width + x]!);
    }
  }
  return Float32Array.from(out);
}

/** Reads taps by name. */
class Taps {
  constructor(private readonly file: Checkpoint) {}

  async get(key: string): Promise<Float32Array | undefined> {
    return this.file.has(key) ? (await this.file.read(key)).data : undefined;
  }

  async need(key: string): Promise<Float32Array> {
    const data = await this.get(key);
    if (!data) throw new VerificationError(`${this.file.file} has no tap "${key}".`);
    return data;
  }

  /** Height and width of a tap's last two axes. */
  size(key: string): readonly [number, number] {
    return this.file.info(key).shape.slice(-2) as [number, number];
  }
}

/** Points, box and mask of a prompt, in the resized image. */
async function readPrompt(taps: Taps, name: string): Promise<SamPrompt> {
  // The prompt with a mask repeats the first two points of the one with three.
  const withMask = name === 'mask_prompt';
  const points = await taps.get(`${withMask ? 'points3' : name}.points`);
  const labels = await taps.get(`${withMask ? 'points3' : name}.labels`);
  const box = await taps.get(`${name}.box`);
  const count = withMask ? 2 : (labels?.length ?? 0);
  return {
    ...(points && labels
      ? {
          points: Array.from({ length: count }, (_, i): Point => [points[2 * i]!, points[2 * i + 1]!]),
          labels: [...labels.slice(0, count)],
        }
      : {}),
    box: box && ([...box] as unknown as Box),
    mask: await taps.get(`${name}.mask_in`),
  };
}

/** Channels-last rows as [channels, height, width], with every `step`-th of each. */
async function channelsFirst(rows: Tensor, step: number): Promise<Float32Array> {
  const values = new Float32Array(await getEngine().read(rows));
  const channels = rows.shape.at(-1)!;
  const side = Math.sqrt(values.length / channels);
  const out: number[] = [];
  for (let c = 0; c < channels; c += step) {
    for (let y = 0; y < side; y += step) {
      for (let x = 0; x < side; x += step) out.push(values[(y * side + x) * channels + c]!);
    }
  }
  return Float32Array.from(out);
}

/** Share of the union of two masks, given as logits and as 0 and 1, that is in one of them only. */
function compareMasks(name: string, actual: readonly number[], reference: ArrayLike<number>): TapResult {
  let union = 0;
  let different = 0;
  for (const [i, pixel] of actual.entries()) {
    const expected = reference[i]! > 0 ? 1 : 0;
    union += pixel | expected;
    different += pixel ^ expected;
  }
  const error = union > 0 ? different / union : 0;
  return { name, error, limit: MASK_LIMIT, pass: error <= MASK_LIMIT };
}

/**
 * Runs a Segment Anything golden on this machine's adapter: procedural weights, the stored image, and every stored result of
 * the image encoder, the prompt encoder, the mask decoder and the enlargement of masks compared with ours.
 *
 * @param manifest The weights' recipe; a checkpoint with real weights works as well.
 * @param taps Safetensors file with `image.rgb_u8`, prompts, and what was computed from them; or of the encoder alone.
 * @throws VerificationError when the taps lack what a run needs.
 */
export async function verifySam(
  manifest: Checkpoint,
  taps: Checkpoint,
  options: SamLoadOptions = {},
): Promise<TapResult[]> {
  const ofEncoder = taps.keys.some((key) => /^enc\.out(_sub)?$/.test(key));
  const ofDecoder = taps.has('point1.points');
  if (!ofEncoder && !ofDecoder) throw new VerificationError(`${taps.file} has no taps of Segment Anything.`);
  // The manifest may then lack everything else.
  if (!ofDecoder) return verifySamEncoder(manifest, taps, options);
  const model = await SamModel.load(manifest, options);
  try {
    const results = ofEncoder ? await compareEncoderTaps(model.encoder, taps) : [];
    return [...results, ...(await compareDecoder(model, taps, options))];
  } finally {
    model.dispose();
  }
}

async function compareDecoder(model: SamModel, taps: Checkpoint, { signal }: SamLoadOptions): Promise<TapResult[]> {
  const reader = new Taps(taps);
  const pixels = await reader.need('image.rgb_u8');
  const [height, width] = taps.info('image.rgb_u8').shape as [number, number];
  const [originalHeight, originalWidth] = await reader.need('point1.multi.original_size');
  const results: TapResult[] = [];
  const compare = (name: string, actual: Float32Array, reference: Float32Array, limit: number) =>
    results.push(compareTap(name, actual, reference, limit));
  const predictor = new SamPredictor(model);
  try {
    const image = { width, height, data: Uint8Array.from(pixels) };
    const size = { height: originalHeight!, width: originalWidth! };
    await predictor.setResizedImage(image, size, { signal });
    const dense = await reader.get('dense_pe_sub');
    if (dense) compare('dense_pe_sub', await channelsFirst(model.densePe, 4), dense, FEATURE_LIMIT);
    for (const name of PROMPTS) {
      const prompt = await readPrompt(reader, name);
      const sparse = await reader.get(`${name}.sparse`);
      if (sparse) compare(`${name}.sparse`, model.embedPrompt(prompt), sparse, FEATURE_LIMIT);
      const embedded = await reader.get(`${name}.dense`);
      if (embedded) {
        const mask = tensor(prompt.mask!, [1, model.lowRes, model.lowRes]);
        const rows = model.embedMask(mask);
        compare(`${name}.dense`, await channelsFirst(rows, 1), embedded, FEATURE_LIMIT);
        mask.dispose();
        rows.dispose();
      }
      for (const masks of ['multi', 'single'] as const) {
        const key = `${name}.${masks}`;
        const iou = await reader.get(`${key}.iou`);
        if (!iou) continue;
        const mapped = await reader.get(`${key}.mask_sub`);
        const predicted = await predictor.predict(prompt, {
          masks,
          coordinates: 'frame',
          logits: mapped !== undefined,
        });
        const low = new Float32Array(predicted.length * model.lowRes ** 2);
        for (const [i, { lowRes }] of predicted.entries()) low.set(lowRes, i * lowRes.length);
        const whole = await reader.get(`${key}.low_res`);
        const sub = await reader.get(`${key}.low_res_sub`);
        const square = [model.lowRes, model.lowRes] as const;
        if (whole) compare(`${key}.low_res`, low, whole, LOGIT_LIMIT);
        if (sub) compare(`${key}.low_res_sub`, subsample(low, predicted.length, square, 4), sub, LOGIT_LIMIT);
        compare(
          `${key}.iou`,
          Float32Array.from(predicted, ({ predictedIou }) => predictedIou),
          iou,
          LOGIT_LIMIT,
        );
        if (!mapped) continue;
        const full = [size.height, size.width] as const;
        const logits = predicted.map((mask) => subsample(mask.logits!, 1, full, 2));
        compare(`${key}.mask_sub`, Float32Array.from(logits.flatMap((map) => [...map])), mapped, LOGIT_LIMIT);
        const bits = predicted.flatMap(({ mask }) => [...subsample(Float32Array.from(decodeRle(mask)), 1, full, 2)]);
        results.push(compareMasks(`${key}.mask_sub > 0`, bits, mapped));
      }
    }
  } finally {
    predictor.dispose();
  }
  return results;
}
