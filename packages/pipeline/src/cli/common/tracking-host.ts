/** Who runs a command that tracks: a terminal, or a worker that keeps the weights loaded between runs. */
import type { FolderProgress, TrackProgress } from '../../tracking/track.js';
import type { VideoTracker } from '../../tracking/video-tracker.js';
import type { Report } from './progress.js';
import { loadTracker, reportProgress, type TrackerSettings } from './tracking.js';

/** What lends trackers to runs: one after the other, or kept warm between them. */
export interface TrackingHost {
  readonly report: Report;
  readonly signal: AbortSignal;
  /** A tracker that remembers nothing. Throws as `VideoTracker.load`. */
  acquire(settings: TrackerSettings): Promise<VideoTracker>;
  /** Takes back what `acquire` gave. */
  release(tracker: VideoTracker): void;
  /** Tracked frames after which what the tracker remembers is stored beside the results; default as `trackToFolder`. */
  readonly memoryFrames?: number | undefined;
  /**
   * Called after each frame; the next one waits for it. The masks of all earlier frames are on disk by then.
   * @param progress `stored` as of `trackToFolder`; missing where results are written at the end
   */
  onProgress(
    tracker: VideoTracker,
    progress: TrackProgress & Partial<FolderProgress>,
    prefix?: string,
  ): Promise<void> | void;
}

/** A terminal: the tracker goes when it is given back, progress is shown. */
export class TerminalHost implements TrackingHost {
  constructor(
    readonly report: Report,
    readonly signal: AbortSignal,
  ) {}

  acquire(settings: TrackerSettings): Promise<VideoTracker> {
    return loadTracker(settings, this.report, this.signal, (tracker, message) => this.onDeviceLost(tracker, message));
  }

  /** The GPU was lost and has been opened again. Where this throws, the run ends. */
  protected onDeviceLost(_tracker: VideoTracker, message: string): void {
    this.report.note(`${message} It was opened again and the run goes on.`);
  }

  release(tracker: VideoTracker): void {
    tracker.dispose();
  }

  onProgress(tracker: VideoTracker, progress: TrackProgress, prefix?: string): Promise<void> | void {
    reportProgress(this.report, tracker, progress, prefix);
  }
}

/** Keeps the tracker that was used last, with its weights on the GPU, for the next run with the same settings. */
export class WarmHost extends TerminalHost {
  #tracker: VideoTracker | undefined;
  #settings: string | undefined;

  override async acquire(settings: TrackerSettings): Promise<VideoTracker> {
    const wanted = JSON.stringify(settings);
    if (wanted !== this.#settings) this.dispose();
    this.#tracker ??= await super.acquire(settings);
    this.#settings = wanted;
    return this.#tracker;
  }

  override release(tracker: VideoTracker): void {
    tracker.restart();
  }

  /** Frees the GPU. Idempotent. */
  dispose(): void {
    this.#tracker?.dispose();
    this.#tracker = undefined;
    this.#settings = undefined;
  }
}
