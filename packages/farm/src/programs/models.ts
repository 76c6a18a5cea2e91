import { Report, type TrackingHost, WarmHost } from 'samtrack/cli';
import type { JobContext } from '../run/context.js';

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

/** The networks of a worker: they stay on the GPU between jobs that want the same. */
export class KeptModels {
  private readonly report = new BeatReport();
  private readonly warm = new WarmHost(this.report, new AbortController().signal);

  /** @param adapter part of the name of the GPU to use */
  constructor(private readonly adapter?: string) {}

  /**
   * The host of one job.
   * @param maskOf the file of a frame's masks, in the results
   */
  host({ signal, beat, frame }: JobContext, maskOf: (name: string) => string): TrackingHost {
    this.report.beat = beat;
    return {
      report: this.report,
      signal,
      acquire: (settings) => {
        const gpu = { ...settings.engine.gpu, ...(this.adapter === undefined ? {} : { adapter: this.adapter }) };
        return this.warm.acquire({ ...settings, engine: { ...settings.engine, gpu } });
      },
      release: (tracker) => this.warm.release(tracker),
      onProgress: (_, { done, total, tracked, seconds, frame: { name } }) =>
        frame({ done, total, tracked, seconds }, maskOf(name)),
    };
  }

  dispose(): void {
    this.warm.dispose();
  }
}
