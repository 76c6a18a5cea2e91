import type { EngineOptions } from 'samtrack';
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

/** The networks of a worker: they stay loaded between jobs that want the same. */
export class KeptModels {
  private readonly report = new BeatReport();
  private readonly warm = new WarmHost(this.report, new AbortController().signal);

  /** @param engine what networks run on */
  constructor(private readonly engine: EngineOptions = {}) {}

  /** Settings of a job, on this worker's engine. */
  settingsOf<T extends TrackerSettings>(settings: T): T {
    const gpu = { ...settings.engine.gpu, ...this.engine.gpu };
    return { ...settings, engine: { ...settings.engine, ...this.engine, gpu } };
  }

  /**
   * The host of one job.
   * @param anew whether the job begins anew when it was interrupted, told by whether going on gives the same masks to the byte
   * @param maskOf the file of a frame's masks, in the results
   */
  host(
    { signal, beat, frame, whole }: JobContext,
    anew: (exact: boolean) => boolean,
    maskOf: (name: string) => string,
  ): TrackingHost {
    this.report.beat = beat;
    return {
      report: this.report,
      signal,
      acquire: (settings) => this.warm.acquire(this.settingsOf(settings)),
      release: (tracker) => this.warm.release(tracker),
      onProgress: ({ recallsExactly }, { done, total, tracked, seconds, frame: { name } }) => {
        const progress: JobProgress = { done, total, tracked, seconds };
        return anew(recallsExactly) ? whole(progress) : frame(progress, maskOf(name));
      },
    };
  }

  dispose(): void {
    this.warm.dispose();
  }
}
