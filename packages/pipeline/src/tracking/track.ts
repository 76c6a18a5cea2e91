import type { OutOfBudgetError } from '@samtrack/models';
import type { ResultSummary, ResultWriter } from '../export/index.js';
import type { Frame, FrameRange, FrameSource, LabelMap } from '../io/index.js';
import { checkOptions, FRAME_INDEX, hasMethod, type KnownOptions, SIGNAL } from '../io/known-options.js';
import { badOption, TrackingError } from './errors.js';
import type { FoundMasks, FrameTracker } from './frame-tracker.js';
import { FrameWindow } from './frame-window.js';
import { Propagator, type RevisedMasks } from './propagator.js';
import { RunMemory } from './run-memory.js';

/** How far a run is. */
export interface TrackProgress {
  frame: Frame;
  labels: LabelMap;
  /** Frames with a result so far, those of an earlier run included. */
  done: number;
  /** Frames there will be, if known. */
  total: number | undefined;
  /** Frames tracked in this run, and seconds it took to track them: from decoded frame to label map. */
  tracked: number;
  seconds: number;
}

/** Looks at some frames of a run and adds objects to what was tracked: discovered ones, or given ones. */
export interface FrameReviser {
  /** Frames behind the current one that it wants to see. */
  readonly lookAhead: number;
  /** Whether it looks at a frame: `position` is 0 for the first frame of the run. */
  due(frame: Frame, position: number): boolean;
  /**
   * @param labels masks of the frame so far
   * @param ahead up to `lookAhead` frames that follow
   * @returns masks with objects added, which make the frame a reference; undefined if there are none
   */
  revise(frame: Frame, labels: LabelMap, ahead: readonly Frame[], signal?: AbortSignal): Promise<LabelMap | undefined>;
  /** Sees the masks of every frame of the run, in order, after what was added to them. */
  observe?(frame: Frame, labels: LabelMap): void;
  /** The tracker has no room for the objects just added, and goes on without them. Where this is missing, the run ends with the error. */
  refused?(frame: Frame, error: OutOfBudgetError): void;
}

/** Options of `track`. */
export interface TrackOptions extends FrameRange {
  source: FrameSource;
  tracker: FrameTracker;
  /** Masks of the first frame of the range; may be left out where a reviser finds the objects. */
  firstMask?: LabelMap | undefined;
  /** Adds objects on the way. */
  reviser?: FrameReviser | undefined;
  /** Where results go; frames that it holds already are not tracked again. */
  writer?: ResultWriter | undefined;
}

/** Shows a frame and those behind it to a reviser. */
async function lookAt(
  frame: Frame,
  { labels }: FoundMasks,
  reviser: FrameReviser,
  window: FrameWindow,
  signal: AbortSignal | undefined,
): Promise<RevisedMasks> {
  const ahead = await window.ahead(reviser.lookAhead);
  const revised = await reviser.revise(frame, labels, ahead, signal);
  return {
    labels: revised ?? labels,
    reference: revised !== undefined,
    ...(reviser.refused ? { refused: (error) => reviser.refused!(frame, error) } : {}),
  };
}

const OPTIONS: KnownOptions<TrackOptions> = {
  source: hasMethod('what `openSource` gives', 'frames'),
  tracker: hasMethod('a tracker, such as `VideoTracker.load` gives', 'step'),
  firstMask: true,
  reviser: hasMethod('what finds objects', 'revise'),
  writer: hasMethod('a `ResultWriter`', 'add'),
  from: FRAME_INDEX,
  to: FRAME_INDEX,
  signal: SIGNAL,
};

/** The run that each tracker remembers the frames of: the one that began last. */
const currentRun = new WeakMap<FrameTracker, object>();

/** @throws TrackingError `bad-option` for a range without frames, as far as that is known */
function checkRange({ name, frameCount }: FrameSource, from: number, to: number | undefined): void {
  if (to !== undefined && to <= from)
    throw badOption(`\`to\` of track is the frame to stop before: ${to} is not behind ${from}`);
  if (frameCount !== undefined && from >= frameCount) {
    throw badOption(`\`from\` of track is ${from}, and ${name} has ${frameCount} frame${frameCount === 1 ? '' : 's'}`);
  }
}

/**
 * Tracks the objects of the first frame through a source, and those that a reviser adds, yielding each frame's label map. Results are written
 * while the next frame is tracked. When the caller stops, the signal aborts, or anything throws, what is done so far is kept:
 * the writer is the caller's to `finish` or `abort`.
 * @throws TrackingError `no-masks`, `bad-option`, `in-use` where another run has begun with the tracker since; what the source, the tracker, the reviser and the writer throw
 */
export async function* track(options: TrackOptions): AsyncGenerator<TrackProgress> {
  checkOptions('track', options, OPTIONS, badOption);
  yield* trackFrames(options, options.writer && (await RunMemory.open(options.tracker, options.writer)));
}

async function* trackFrames(options: TrackOptions, memory: RunMemory | undefined): AsyncGenerator<TrackProgress> {
  const { source, tracker, firstMask, reviser, writer, ...range } = options;
  if (!firstMask && !reviser) {
    throw new TrackingError(
      'no-masks',
      'nothing says what to track: give `firstMask`, or a `reviser` that finds objects',
    );
  }
  const from = range.from ?? 0;
  checkRange(source, from, range.to);
  const end = range.to ?? source.frameCount;
  const total = end === undefined ? undefined : end - from;
  let done = 0;
  let tracked = 0;
  let milliseconds = 0;
  let writing: Promise<void> = Promise.resolve();
  let propagator = new Propagator(tracker);
  if (memory?.isRestored) propagator.resumed();
  /** The masks of a frame, where they are known from earlier. */
  const known = async (frame: Frame, isFirst: boolean) => {
    if (firstMask && isFirst) return firstMask;
    return writer?.done.has(frame.name) ? await writer.readDone(frame) : undefined;
  };
  const takeIn = async (frame: Frame, labels: LabelMap) => {
    if (memory?.holds(frame.index)) tracker.recollect?.(frame, labels);
    else if (labels === firstMask) await propagator.reference(frame, labels);
    else await propagator.restore(frame, labels);
  };
  const run = {};
  currentRun.set(tracker, run);
  const window = new FrameWindow(source.frames(range));
  try {
    for (let frame = await window.next(); frame; frame = await window.next()) {
      if (currentRun.get(tracker) !== run) {
        throw new TrackingError('in-use', 'another run has begun with this tracker; each run needs one of its own');
      }
      memory?.begin();
      // What the run before did after it had stored what it remembered, it did without leaving that.
      if (memory?.isBefore(frame.index)) writer?.giveUp(frame);
      let labels = await known(frame, done === 0);
      if (!labels && memory?.holds(frame.index)) {
        memory.forget();
        propagator = new Propagator(tracker);
        let count = 0;
        for await (const earlier of source.frames({ ...range, to: frame.index })) {
          await takeIn(earlier, (await known(earlier, count++ === 0))!);
        }
      }
      if (labels) await takeIn(frame, labels);
      else {
        const start = performance.now();
        const looks = reviser?.due(frame, done) ? reviser : undefined;
        labels = await propagator.propagate(
          frame,
          looks && ((found) => lookAt(frame, found, looks, window, range.signal)),
        );
        milliseconds += performance.now() - start;
        tracked++;
      }
      reviser?.observe?.(frame, labels);
      await writing;
      writing = writer?.add(frame, labels) ?? Promise.resolve();
      // A failure surfaces at the next `await writing`; until then it must not count as unhandled.
      writing.catch(() => {});
      memory?.end(frame.index, tracked);
      done++;
      yield { frame, labels, done, total, tracked, seconds: milliseconds / 1000 };
    }
  } finally {
    await window.close();
    await writing;
  }
}

/** How far a run into a folder is. */
export interface FolderProgress extends TrackProgress {
  /** Whether the masks of this frame are on disk, with what the tracker remembers if that is more than masks tell. */
  stored: boolean;
}

/** Options of `trackToFolder`. */
export interface TrackToFolderOptions extends TrackOptions {
  writer: ResultWriter;
  /** The next frame waits for it. */
  onProgress?: ((progress: FolderProgress) => Promise<void> | void) | undefined;
  /** Tracked frames after which what the tracker remembers is stored; 64 by default. */
  memoryFrames?: number | undefined;
  /** Where that is stored; default beside the results. */
  memory?: RunMemory | undefined;
}

/** Frames that a run that was killed tracks again at most, where memories are small. */
const MEMORY_FRAMES = 64;

/** Runs `track` to its end and completes the results; after an abort or an error they hold what was done. */
export async function trackToFolder({
  onProgress,
  memoryFrames = MEMORY_FRAMES,
  memory: given,
  ...options
}: TrackToFolderOptions): Promise<{ summary: ResultSummary; error?: unknown }> {
  const { tracker, writer } = options;
  const memory = given ?? (await RunMemory.open(tracker, writer));
  try {
    for await (const progress of trackFrames(options, memory)) {
      writer.timed(progress.tracked, progress.seconds);
      const stored = memory.isDue(memoryFrames) && progress.done !== progress.total && (await memory.store());
      await onProgress?.({ ...progress, stored });
      if (stored) memory.passedOn();
    }
    return { summary: await writer.finish() };
  } catch (error) {
    await memory.store();
    return { summary: await writer.abort(), error };
  }
}
