import { type LabelMap, maxLabelId } from '../io/label-map.js';
import { assignBest } from './assignment.js';
import { EvaluationError } from './errors.js';
import { type PairScores, scoreFrame } from './frame-scores.js';
import { average, type Statistics, statistics } from './statistics.js';

/** Semi-supervised: results have the ids of the annotation. Unsupervised: they are matched to it. */
export type Task = 'semi-supervised' | 'unsupervised';

/** Proposals an unsupervised result may have (DAVIS 2019 challenge). */
export const MAX_PROPOSALS = 20;

/** Value of pixels that count for nothing. */
const VOID = 255;

/** One annotated frame. Both maps are read only when the frame is scored. */
export interface EvaluationFrame {
  name: string;
  /** What is right; 255 counts for nothing. */
  truth(): Promise<LabelMap>;
  /** What is scored. */
  result(): Promise<LabelMap>;
}

/** Options of `evaluateSequence`. */
export interface EvaluateOptions {
  task?: Task | undefined;
  /** The toolkit's two quirks: decay is NaN above 256 frames; unsupervised objects are listed in the order of the proposals. Default off. */
  compat?: boolean | undefined;
  /** DAVIS-2016: every value above 0, in truth and result, is the one object. */
  binary?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** Called after each frame. */
  onFrame?: ((name: string) => void) | undefined;
}

/** Scores of one object, frame by frame. */
export interface ObjectScores {
  /** Id in the truth. */
  id: number;
  /** Id in the result; unlike `id` only for unsupervised results. */
  resultId: number;
  j: number[];
  f: number[];
}

/** The scores of a sequence, by object. */
export interface SequenceScores {
  name: string;
  /** Names of the frames scored. */
  frames: string[];
  objects: ObjectScores[];
}

// Plain loops without calls: these run over every pixel of every frame.

function binarise({ width, height, data }: LabelMap): LabelMap {
  const out = new Uint16Array(data.length);
  for (let i = 0; i < data.length; i++) if (data[i] !== 0) out[i] = 1;
  return { width, height, data: out };
}

function voidless(map: LabelMap): LabelMap {
  if (!map.data.includes(VOID)) return map;
  const out = map.data.slice();
  for (let i = 0; i < out.length; i++) if (out[i] === VOID) out[i] = 0;
  return { ...map, data: out };
}

/** A map that is background wherever another one is void. */
function clearVoid(map: LabelMap, { data: truth }: LabelMap): LabelMap {
  if (!truth.includes(VOID)) return map;
  const out = map.data.slice();
  for (let i = 0; i < out.length; i++) if (truth[i] === VOID) out[i] = 0;
  return { ...map, data: out };
}

/** Truth with void as background; the result, void made background too where the task says so; and the result's largest id before that. */
async function readPair(
  sequence: string,
  frame: EvaluationFrame,
  { task, binary }: EvaluateOptions,
): Promise<{ truth: LabelMap; result: LabelMap; largest: number }> {
  const [rawTruth, rawResult] = await Promise.all([frame.truth(), frame.result()]);
  const truth = binary ? binarise(rawTruth) : voidless(rawTruth);
  let result = binary ? binarise(rawResult) : rawResult;
  if (result.width !== truth.width || result.height !== truth.height) {
    throw new EvaluationError(
      'size-mismatch',
      `${sequence}/${frame.name}`,
      `the result has ${result.width}x${result.height} pixels, the annotation has ${truth.width}x${truth.height}`,
    );
  }
  const largest = maxLabelId(result);
  if (task === 'unsupervised' && !binary) {
    result = clearVoid(result, rawTruth);
  }
  return { truth, result, largest };
}

/**
 * Scores one sequence as the DAVIS 2017 toolkit does.
 *
 * Semi-supervised: the first and the last frame are left out; result id k belongs to true id k. The number of objects is the largest id of the
 * first annotation. Unsupervised: every frame, void pixels count for neither, and the up to 20 proposals are matched to the objects once for the
 * whole video, so that the sum of (J + F) / 2 is largest.
 *
 * Throws `EvaluationError`: `no-frames`, `no-objects`, `size-mismatch`, `too-many-objects`.
 */
export async function evaluateSequence(
  name: string,
  frames: readonly EvaluationFrame[],
  options: EvaluateOptions = {},
): Promise<SequenceScores> {
  const { task = 'semi-supervised', compat = false, binary = false, signal, onFrame } = options;
  const semi = task === 'semi-supervised';
  const scored = semi ? frames.slice(1, -1) : frames;
  if (scored.length === 0) {
    throw new EvaluationError('no-frames', name, `${frames.length} annotated frames leave none to score`);
  }
  const first = await frames[0]!.truth();
  const truths = maxLabelId(binary ? binarise(first) : voidless(first));
  if (truths === 0) throw new EvaluationError('no-objects', name, 'the first annotation has no objects');

  const limit = semi ? truths : MAX_PROPOSALS;
  let proposals = 0;
  const scores: PairScores[] = [];
  for (const frame of scored) {
    signal?.throwIfAborted();
    const { truth, result, largest } = await readPair(name, frame, { task, binary });
    if (largest > limit) {
      const allowed = semi ? `the first annotation has ${truths} objects` : `${MAX_PROPOSALS} proposals are allowed`;
      throw new EvaluationError(
        'too-many-objects',
        `${name}/${frame.name}`,
        `the result has id ${largest}, but ${allowed}`,
      );
    }
    proposals = Math.max(proposals, largest);
    const results = Math.max(limit, truths);
    scores.push(scoreFrame(truth, result, truths, results, semi ? 'same' : 'all'));
    onFrame?.(frame.name);
  }
  const seriesOf = (id: number, resultId: number): ObjectScores => {
    const at = (resultId - 1) * truths + id - 1;
    return { id, resultId, j: scores.map(({ j }) => j[at]!), f: scores.map(({ f }) => f[at]!) };
  };
  const pairs = semi
    ? Array.from({ length: truths }, (_, i) => ({ row: i, column: i }))
    : match(scores, Math.max(proposals, truths), truths);
  const objects = pairs.map(({ row, column }) => seriesOf(column + 1, row + 1));
  if (!compat) objects.sort((a, b) => a.id - b.id);
  return { name, frames: scored.map((frame) => frame.name), objects };
}

/** The proposals that fit the objects best over the whole video. */
function match(scores: readonly PairScores[], proposals: number, truths: number) {
  const total = Float64Array.from({ length: proposals * truths }, (_, at) => {
    const j = average(scores.map((s) => s.j[at]!));
    const f = average(scores.map((s) => s.f[at]!));
    return (j + f) / 2;
  });
  return assignBest(total, proposals, truths);
}

/** Means over objects; each object of each sequence weighs the same. */
export interface Summary {
  /** (J mean + F mean) / 2. */
  jf: number;
  j: Statistics;
  f: Statistics;
}

/** Statistics of one object, or of all objects of several sequences. */
export function summarise(objects: readonly ObjectScores[], options: { compat?: boolean } = {}): Summary {
  const over = (measure: 'j' | 'f'): Statistics => {
    const all = objects.map((object) => statistics(object[measure], options));
    return {
      mean: average(all.map((s) => s.mean)),
      recall: average(all.map((s) => s.recall)),
      decay: average(all.map((s) => s.decay)),
    };
  };
  const [j, f] = [over('j'), over('f')];
  return { jf: (j.mean + f.mean) / 2, j, f };
}
