import type { EngineOptions, VideoTracker } from 'samtrack';
import { Report, type TrackerSettings, type TrackingHost, WarmHost } from 'samtrack/cli';
import type { JobContext, JobProgress } from '../run/context.js';

/** Takes what a run says as a sign of life. */
class BeatReport extends Report {
  beat = () => {};

  override progress(): void {
    this.beat();
  }

  override note(text: string): void {
    this.beat();
    super.note(text);
  }
}

/** Ends a run that lost its GPU, where it would go on with something else than the bytes of one that did not. */
class ExactHost extends WarmHost {
  protected override onDeviceLost(tracker: VideoTracker, message: string): void {
    if (needsMemory(tracker)) throw new Error(`${message} The job goes on from what is stored.`);
    super.onDeviceLost(tracker, message);
  }
}

/** Whether masks alone do not tell what the tracker remembers: that has to be stored with them. */
const needsMemory = ({ recallsExactly, resumesExactly }: VideoTracker) => !recallsExactly && resumesExactly;

/** The networks of a worker: they stay loaded between jobs that want the same. */
export class KeptModels {
  private readonly report = new BeatReport();
  private readonly warm = new ExactHost(this.report, new AbortController().signal);

  /** @param engine what networks run on */
  constructor(private readonly engine: EngineOptions = {}) {}

  /** Settings of a job, on this worker's engine. */
  settingsOf<T extends TrackerSettings>(settings: T): T {
    const gpu = { ...settings.engine.gpu, ...this.engine.gpu };
    return { ...settings, engine: { ...settings.engine, ...this.engine, gpu } };
  }

  /**
   * The host of one job.
   * @param anew whether the job begins anew when it was interrupted
   * @param maskOf the file of a frame's masks, in the results
   */
  host(
    { signal, beat, frame, whole, chunkFrames }: JobContext,
    anew: (tracker: VideoTracker) => boolean,
    maskOf: (name: string) => string,
  ): TrackingHost {
    this.report.beat = beat;
    return {
      report: this.report,
      signal,
      acquire: (settings) => this.warm.acquire(this.settingsOf(settings)),
      release: (tracker) => this.warm.release(tracker),
      memoryFrames: chunkFrames,
      onProgress: (tracker, { done, total, tracked, seconds, frame: { name }, stored = false }) => {
        const progress: JobProgress = { done, total, tracked, seconds };
        if (anew(tracker)) return whole(progress);
        return frame(progress, stored ? undefined : maskOf(name), stored || !needsMemory(tracker));
      },
    };
  }

  dispose(): void {
    this.warm.dispose();
  }
}
