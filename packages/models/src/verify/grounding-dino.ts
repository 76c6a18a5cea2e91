import { getEngine, IMAGENET } from '@samtrack/kernels';
import { type Tensor, type Tensor3D, tensor3d } from '@tensorflow/tfjs-core';
import type { Checkpoint } from '../checkpoint/index.js';
import { GroundingDino, type GroundingDinoLoadOptions } from '../grounding-dino/model.js';
import { highest } from '../grounding-dino/query-selection.js';
import { loadTokenizer, preprocessCaption, tokenizeCaption } from '../grounding-dino/text/index.js';
import type { ImageFeatures, TextFeatures } from '../grounding-dino/types.js';
import { compareLabels, compareTap, FEATURE_LIMIT, type TapResult, VerificationError } from './taps.js';
import { resolveTies } from './tied-queries.js';

/** Normalised squared error allowed for logits. */
const LOGIT_LIMIT = 1e-5;
/** Largest difference allowed for a coordinate of a box, as a share of the image. */
const BOX_LIMIT = 1e-3;
/** Normalised squared error from which a query after the first decoder layer is another one. */
const OTHER_QUERY = 1e-6;

/** Options of `verifyGroundingDino`. */
export interface VerifyGroundingDinoOptions extends GroundingDinoLoadOptions {
  /** Called after each stage with the milliseconds it took and the GPU memory that is allocated then, in bytes. */
  onStage?: ((stage: string, milliseconds: number, allocatedBytes: number) => void) | undefined;
}

/**
 * Runs a Grounding DINO golden on this machine's adapter: procedural weights, the stored image and caption, and every stored
 * intermediate compared with ours. Goldens may hold every n-th token or channel only.
 *
 * Queries start at the tokens with the highest scores, in their order. Where scores are closer than rounding, the published
 * order may be another: if queries come out different whose scores are tied, they change places and all is compared again.
 *
 * @param manifest The weights' recipe; a checkpoint with real weights works as well.
 * @param taps Safetensors file with `image.rgb_u8`, a caption in its metadata, and what was computed from them.
 * @throws VerificationError when the taps lack what a run needs.
 */
export async function verifyGroundingDino(
  manifest: Checkpoint,
  taps: Checkpoint,
  { onStage, ...options }: VerifyGroundingDinoOptions = {},
): Promise<TapResult[]> {
  const caption = taps.metadata['caption'];
  if (!caption) throw new VerificationError(`${taps.file} has no caption.`);
  if (!taps.has('image.rgb_u8')) throw new VerificationError(`${taps.file} has no tap "image.rgb_u8".`);
  const references = await readReferences(taps);
  const model = await GroundingDino.load(manifest, options);
  const image = await readImage(taps);
  const stage = stageClock(onStage);
  const run = new Comparison(references);
  let features: ImageFeatures | undefined;
  let text: TextFeatures | undefined;
  try {
    features = model.encodeImage(image, run.onTap);
    await stage('image');
    const tokens = tokenizeCaption(preprocessCaption(caption), await loadTokenizer());
    text = model.encodeText(tokens);
    await stage('text');
    run.onTap('text.feat_map', text.features);
    await run.settle();
    if (taps.has('input_ids')) {
      run.results.push(compareLabels('input_ids', tokens.ids, (await taps.read('input_ids')).data));
    }
    return [...run.results, ...(await compareDetections(model, features, text, references, stage))];
  } finally {
    features?.dispose();
    text?.features.dispose();
    image.dispose();
    model.dispose();
  }
}

/** Encoder and decoder, a second time where the order of tied queries is not the published one. */
async function compareDetections(
  model: GroundingDino,
  features: ImageFeatures,
  text: TextFeatures,
  references: References,
  stage: (name: string) => Promise<void>,
): Promise<TapResult[]> {
  let scores = new Float32Array();
  const attempt = async (order?: Int32Array) => {
    const run = new Comparison(references);
    const { logits, boxes, tokens } = await model.detect(features, text, {
      onTap: run.onTap,
      onStage: stage,
      rank: (all, count) => {
        scores = Float32Array.from(all);
        return order ?? highest(all, count);
      },
    });
    await run.settle();
    run.compare('pred_logits', logits, tokens, LOGIT_LIMIT);
    run.compareBoxes('pred_boxes', boxes);
    return run;
  };
  const first = await attempt();
  const order = resolveTies(scores, model.config.queries, first.otherQueries);
  return (order ? await attempt(order) : first).results;
}

/** A stored intermediate, channels last. */
interface Reference {
  readonly data: Float32Array;
  readonly channels: number;
}
type References = ReadonlyMap<string, Reference>;

/** Compares intermediates as they come. */
class Comparison {
  readonly results: TapResult[] = [];
  /** Places of queries that differ after the first decoder layer. */
  readonly otherQueries: number[] = [];
  readonly #pending: Promise<void>[] = [];

  constructor(private readonly references: References) {}

  readonly onTap = (name: string, tensor: Tensor): void => {
    if (!this.references.has(name)) return;
    const copy = getEngine().read(tensor);
    const channels = tensor.shape.at(-1)!;
    this.#pending.push(
      copy.then((buffer) => {
        const values = new Float32Array(buffer);
        this.compare(name, values, channels, FEATURE_LIMIT);
        if (name === 'dec0.out') this.#findOtherQueries(values, channels);
      }),
    );
  };

  async settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
  }

  compare(name: string, values: Float32Array, channels: number, limit: number): void {
    const reference = this.references.get(name);
    if (reference)
      this.results.push(compareTap(name, thinned(name, values, channels, reference), reference.data, limit));
  }

  compareBoxes(name: string, boxes: Float32Array): void {
    const reference = this.references.get(name)?.data;
    if (!reference) return;
    const differences = boxes.map((value, i) => Math.abs(value - reference[i]!));
    const error = boxes.length === reference.length ? differences.reduce((a, b) => Math.max(a, b), 0) : Number.NaN;
    this.results.push({ name, error, limit: BOX_LIMIT, pass: error <= BOX_LIMIT });
  }

  #findOtherQueries(values: Float32Array, channels: number): void {
    const { data } = this.references.get('dec0.out')!;
    if (data.length !== values.length) return;
    for (let start = 0; start < values.length; start += channels) {
      const rows = [values, data].map((all) => all.subarray(start, start + channels)) as [Float32Array, Float32Array];
      if (!compareTap('', ...rows, OTHER_QUERY).pass) this.otherQueries.push(start / channels);
    }
  }
}

/** Every n-th row and channel of what we have, for a tap that stored no more. */
function thinned(
  name: string,
  values: Float32Array,
  channels: number,
  { data, channels: kept }: Reference,
): Float32Array {
  const [rows, keptRows] = [values.length / channels, data.length / kept];
  const [rowStep, channelStep] = [Math.ceil(rows / keptRows), Math.ceil(channels / kept)];
  if (Math.ceil(rows / rowStep) !== keptRows || Math.ceil(channels / channelStep) !== kept) {
    throw new VerificationError(
      `Tap "${name}" has ${keptRows} rows of ${kept}, the model computes ${rows} rows of ${channels}.`,
    );
  }
  return Float32Array.from(
    data,
    (_, i) => values[Math.floor(i / kept) * rowStep * channels + (i % kept) * channelStep]!,
  );
}

/** Every stored intermediate, with the maps that PyTorch keeps as [1, C, h, w] turned to channels last. */
async function readReferences(taps: Checkpoint): Promise<References> {
  const references = new Map<string, Reference>();
  for (const key of taps.keys) {
    if (
      !/^(input_proj\d|text\.feat_map|enc\d+\.(text|image)|two_stage\.memory|dec\d+\.out|pred_(logits|boxes))$/.test(
        key,
      )
    ) {
      continue;
    }
    const { data, shape } = await taps.read(key);
    if (shape.length !== 4) {
      references.set(key, { data, channels: shape.at(-1)! });
      continue;
    }
    const channels = shape[1]!;
    const pixels = data.length / channels;
    const rows = Float32Array.from(data, (_, i) => data[(i % channels) * pixels + Math.floor(i / channels)]!);
    references.set(key, { data: rows, channels });
  }
  return references;
}

/** The stored image, normalised, with a fourth channel of zeros. */
async function readImage(taps: Checkpoint): Promise<Tensor3D> {
  const { data, shape } = await taps.read('image.rgb_u8');
  const [height, width] = shape as [number, number, number];
  const { mean, std } = IMAGENET;
  const values = Float32Array.from({ length: height * width * 4 }, (_, i) => {
    const channel = i % 4;
    return channel === 3 ? 0 : (data[Math.floor(i / 4) * 3 + channel]! / 255 - mean[channel]!) / std[channel]!;
  });
  return tensor3d(values, [height, width, 4]);
}

/** Waits for the GPU at the end of each stage if somebody wants to know how long it took. */
function stageClock(onStage: VerifyGroundingDinoOptions['onStage']): (name: string) => Promise<void> {
  let last = performance.now();
  return async (name) => {
    if (!onStage) return;
    const runtime = getEngine();
    await runtime.finish();
    const now = performance.now();
    onStage(name, now - last, runtime.memory().allocatedBytes);
    last = performance.now();
  };
}
