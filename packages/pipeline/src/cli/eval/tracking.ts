/** Tracking of the sequences of a data set, one after the other, as `samtrack eval` does before it scores or packs them. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Segmenter } from '../../assist/index.js';
import { type ResultSummary, ResultWriter } from '../../export/index.js';
import { imageFiles, stemOf } from '../../io/image-source.js';
import {
  type Frame,
  type FrameRange,
  type FrameSource,
  type LabelMap,
  openDavisSequence,
  openOutputFolder,
  openSource,
  type RunInput,
  readMask,
} from '../../io/index.js';
import { type ClickOptions, simulateClicks } from '../../metrics/clicks.js';
import { EvaluationError, type YouTubeVosVideo } from '../../metrics/index.js';
import { type FrameReviser, GivenMasks, RunMemory, trackToFolder } from '../../tracking/index.js';
import type { VideoTracker } from '../../tracking/video-tracker.js';
import { isExpected } from '../command.js';
import { stoppedStatus } from '../common/interrupt.js';
import type { Report } from '../common/progress.js';
import { namedWeights, reportReplaced, runIdentity, type TrackerSettings } from '../common/tracking.js';
import { type TrackingHost, WarmHost } from '../common/tracking-host.js';
import { version } from '../common/version.js';

/** A sequence to track, from masks of its first frame. */
export interface EvalSequence {
  name: string;
  /** Opens the sequence's frames. */
  open(): Promise<FrameSource>;
  /** Masks of the first frame of the range. */
  firstMask(source: FrameSource): Promise<LabelMap>;
  /** Names of the frames that a submission holds. */
  frameNames(): Promise<string[]>;
  /** Which frames; default all. */
  range?(): Promise<FrameRange>;
  /** Objects that appear later. */
  reviser?(): Promise<FrameReviser>;
}

/** Masks from simulated clicks on the given ones, instead of these. */
export interface SimulatedClicks extends Omit<ClickOptions, 'signal'> {
  clicks: number;
  /** The segmenter's weights, for the record of a run. */
  weights: string;
  /** Gives it, once the tracker has opened the GPU. It stays the giver's. */
  load(report: Report): Segmenter;
}

export interface EvalRun {
  /** Each sequence's masks go to a folder of its name in there. */
  results: string;
  settings: TrackerSettings;
  /** What results depend on besides the tracker's settings. */
  identity: Record<string, string | number | null>;
  overwrite: boolean;
  /** The data set, which results must not touch. */
  inputs: readonly RunInput[];
  clicks?: SimulatedClicks;
  host: TrackingHost;
}

/** A sequence of DAVIS. Its first annotation gives the objects; for 2016 it is one, whatever the value. */
export const davisSequence = (root: string, name: string, resolution: string, year: number): EvalSequence => ({
  name,
  open: () => openDavisSequence(root, name, { resolution }),
  frameNames: async () => imageFiles(await readdir(join(root, 'JPEGImages', resolution, name))).map(stemOf),
  async firstMask(source) {
    const [first] = source.frameNames ?? [];
    const { width, height } = source;
    const mask = await readMask(join(root, 'Annotations', resolution, name, `${first}.png`), {
      width,
      height,
      dataSet: true,
    });
    if (year === 2016) mask.data = mask.data.map((id) => (id ? 1 : 0));
    return mask;
  },
});

/** A video of YouTube-VOS: from the first listed frame to the last, with masks given where objects appear. */
export function youTubeVosSequence(folder: string, { name, frames }: YouTubeVosVideo): EvalSequence {
  const annotations = join(folder, 'Annotations', name);
  const pictures = join(folder, 'JPEGImages', name);
  const maskOf = (frame: string) => join(annotations, `${frame}.png`);
  return {
    name,
    open: () => openSource(pictures),
    frameNames: async () => frames,
    firstMask: ({ width, height }) => readMask(maskOf(frames[0]!), { width, height, dataSet: true }),
    async range() {
      const stems = imageFiles(await readdir(pictures)).map(stemOf);
      const [from, last] = [stems.indexOf(frames[0]!), stems.indexOf(frames.at(-1)!)];
      if (from < 0 || last < 0) {
        throw new EvaluationError(
          'not-found',
          pictures,
          `no picture of frame ${frames[from < 0 ? 0 : frames.length - 1]}`,
        );
      }
      return { from, to: last + 1 };
    },
    async reviser() {
      const files = (await readdir(annotations)).filter((file) => file.endsWith('.png'));
      return new GivenMasks(new Map(files.map((file) => [file.slice(0, -4), join(annotations, file)])));
    },
  };
}

/**
 * Tracks a sequence, unless its results are complete; after an abort or an error they hold what was done.
 * Throws what goes wrong before the first frame.
 * @returns undefined if it was complete before
 */
export async function trackSequence(
  sequence: EvalSequence,
  { results, settings, identity: more, overwrite, inputs, clicks, host }: EvalRun,
  prefix = '',
): Promise<{ summary: ResultSummary; error?: unknown } | undefined> {
  const { report, signal } = host;
  const source = await sequence.open();
  let tracker: VideoTracker | undefined;
  try {
    const folder = openOutputFolder(join(results, sequence.name));
    const identity = {
      ...(await runIdentity(settings)),
      ...more,
      ...(clicks && { clicks: clicks.clicks, segmenter: await namedWeights(clicks.weights) }),
    };
    const kept = { folder, source, identity, masks: { bits: 8 }, masksFolder: '' } as const;
    if (!overwrite && (await ResultWriter.isComplete(kept))) return undefined;
    const into = { ...kept, inputs, overlay: false, coco: false, existing: overwrite ? 'replace' : 'resume' } as const;
    await ResultWriter.check(into);
    const range = (await sequence.range?.()) ?? {};
    let firstMask = await sequence.firstMask(source);
    const held = (tracker = await host.acquire(settings));
    if (clicks) {
      const segmenter = clicks.load(report);
      const frame = await frameAt(source, range.from ?? 0);
      const clicked = await simulateClicks(segmenter, frame, firstMask, { ...clicks, signal });
      const counts = clicked.objects.map(({ id, points, iou }) => `${id}: ${points.length}, ${iou.toFixed(3)}`);
      report.note(`${prefix}object: clicks, IoU of its mask: ${counts.join('; ')}`);
      firstMask = clicked.labels;
    }
    const reviser = await sequence.reviser?.();
    const writer = await ResultWriter.open({
      ...into,
      engine: held.engineName,
      onReplace: (files) => reportReplaced(report, folder.label, files),
    });
    return await trackToFolder({
      source,
      tracker,
      firstMask,
      reviser,
      writer,
      ...range,
      signal,
      memory: await RunMemory.open(tracker, writer, version()),
      memoryFrames: host.memoryFrames,
      onProgress: (progress) => host.onProgress(held, progress, prefix),
    });
  } finally {
    report.end();
    if (tracker) host.release(tracker);
    await source.close();
  }
}

/** Tracks the sequences that have no complete results yet. @returns the exit status */
export async function trackSequences(
  sequences: readonly EvalSequence[],
  run: Omit<EvalRun, 'host'> & { report: Report; signal: AbortSignal },
): Promise<number> {
  const { report, signal } = run;
  const host = new WarmHost(report, signal);
  let segmenter: Segmenter | undefined;
  const clicks = run.clicks && { ...run.clicks, load: () => (segmenter ??= run.clicks!.load(report)) };
  try {
    for (const [i, sequence] of sequences.entries()) {
      const prefix = `${sequence.name} (${i + 1}/${sequences.length}): `;
      const outcome = await trackSequence(sequence, { ...run, clicks, host }, prefix);
      if (!outcome) report.note(`${prefix}done before`);
      if (!outcome || outcome.error === undefined) continue;
      const { summary, error } = outcome;
      if (!signal.aborted && !isExpected(error)) throw error;
      const cause = signal.aborted ? '' : ` ${(error as Error).message}`;
      report.failure(
        `samtrack eval: ${sequence.name} stopped after ${summary.frames} frames. All results are kept: the same command goes on.${cause}`,
      );
      return signal.aborted ? stoppedStatus(signal) : 1;
    }
    return 0;
  } finally {
    segmenter?.dispose();
    host.dispose();
  }
}

async function frameAt(source: FrameSource, index: number): Promise<Frame> {
  for await (const frame of source.frames({ from: index, to: index + 1 })) return frame;
  throw new RangeError(`${source.name} has no frame ${index}`);
}
