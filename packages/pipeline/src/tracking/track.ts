import type { Frame, FrameRange, FrameSource, LabelMap, ResultSummary, ResultWriter } from '../io/index.js';
import type { VideoTracker } from './video-tracker.js';

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

/** Options of `track`. */
export interface TrackOptions extends FrameRange {
  source: FrameSource;
  tracker: VideoTracker;
  /** Masks of the first frame of the range. */
  firstMask: LabelMap;
  /** Where results go; frames that it holds already are not tracked again. */
  writer?: ResultWriter;
}

/**
 * Tracks the objects of the first frame through a source, yielding each frame's label map. Results are written while the
 * next frame is tracked. When the caller stops, the signal aborts, or anything throws, what is done so far is kept:
 * the writer is the caller's to `finish` or `abort`.
 */
export async function* track({
  source,
  tracker,
  firstMask,
  writer,
  ...range
}: TrackOptions): AsyncGenerator<TrackProgress> {
  const from = range.from ?? 0;
  const end = range.to ?? source.frameCount;
  const total = end === undefined ? undefined : end - from;
  let done = 0;
  let tracked = 0;
  let milliseconds = 0;
  let writing: Promise<void> = Promise.resolve();
  // When a run is resumed, only the last finished frame and those that the long-term memory wants are remembered.
  let skipped: { frame: Frame; labels: LabelMap } | undefined;
  try {
    for await (const frame of source.frames(range)) {
      let labels: LabelMap;
      if (done === 0) {
        labels = firstMask;
        await tracker.addReference(frame, firstMask);
      } else if (writer?.done.has(frame.name)) {
        labels = await writer.readDone(frame);
        skipped = tracker.memorises(frame.index) ? undefined : { frame, labels };
        if (!skipped) await tracker.recall(frame, labels);
      } else {
        if (skipped) await tracker.recall(skipped.frame, skipped.labels);
        skipped = undefined;
        const start = performance.now();
        labels = await tracker.step(frame);
        milliseconds += performance.now() - start;
        tracked++;
      }
      await writing;
      writing = writer?.add(frame, labels) ?? Promise.resolve();
      // A failure surfaces at the next `await writing`; until then it must not count as unhandled.
      writing.catch(() => {});
      done++;
      yield { frame, labels, done, total, tracked, seconds: milliseconds / 1000 };
    }
  } finally {
    await writing;
  }
}

/** Runs `track` to its end and completes the results; after an abort or an error they hold what was done. */
export async function trackToFolder(
  options: TrackOptions & { writer: ResultWriter; onProgress?: (progress: TrackProgress) => void },
): Promise<{ summary: ResultSummary; error?: unknown }> {
  try {
    for await (const progress of track(options)) options.onProgress?.(progress);
    return { summary: await options.writer.finish() };
  } catch (error) {
    return { summary: await options.writer.abort(), error };
  }
}
