import { Discoverer, type DiscovererOptions, describedBy, everything, type Session } from 'samtrack';
import { failureOf } from '../channel.js';
import type { DiscoveryRequest, Report, RunOutcome, RunStatus, TrackRequest } from '../protocol.js';
import type { Engine } from './engine.js';
import { columnOf } from './lanes.js';
import type { Viewer } from './viewer.js';

/** Frames over which the speed is averaged. */
const SPEED_WINDOW = 12;

/** Lets messages in. A promise that is resolved already would not. */
const breathe = () =>
  new Promise<void>((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });

/** Runs the tracker, one run at a time, and tells how far it is. */
export class Runner {
  #status: RunStatus = { state: 'idle' };
  #controller: AbortController | undefined;
  /** Runs that have ended. */
  ended = 0;
  #finished: Promise<unknown> = Promise.resolve();
  #discoverer: { request: DiscoveryRequest; discoverer: Discoverer } | undefined;

  constructor(
    private readonly session: Session,
    private readonly viewer: Viewer,
    private readonly engine: Engine,
    private readonly report: (report: Report) => void,
    private readonly onCandidates: () => void,
  ) {}

  get status(): RunStatus {
    return this.#status;
  }

  get isRunning(): boolean {
    return this.#controller !== undefined;
  }

  get queue() {
    return this.#discoverer?.discoverer.queue;
  }

  /** Tracks until the end, or until it is stopped; what is done is kept. Problems become the run's status. */
  async start(request: TrackRequest): Promise<RunOutcome> {
    if (this.isRunning) return { ended: 'stopped' };
    const controller = new AbortController();
    this.#controller = controller;
    this.viewer.pause();
    this.#set({
      state: 'running',
      direction: request.direction,
      frame: this.viewer.frame,
      done: 0,
      framesPerSecond: 0,
    });
    const outcome = this.#run(request, controller.signal).finally(() => {
      if (this.#controller === controller) this.#controller = undefined;
    });
    this.#finished = outcome;
    return outcome;
  }

  /** Ends the run at the next frame, and waits for that. */
  async stop(): Promise<void> {
    if (!this.#controller) return;
    if (this.#status.state === 'running') this.#set({ state: 'stopping', direction: this.#status.direction });
    this.#controller.abort();
    await this.#finished;
  }

  /** Ends the run so that something else can be done, and offers to go on. */
  async pause(frame = this.viewer.frame): Promise<void> {
    if (!this.#controller) return;
    const { status } = this;
    const direction = 'direction' in status ? status.direction : 'forward';
    await this.stop();
    this.#set({ state: 'paused', direction, frame });
  }

  /** The run is over, and nothing needs to be said about it. */
  clear(): void {
    if (!this.isRunning) this.#set({ state: 'idle' });
  }

  async #run(request: TrackRequest, signal: AbortSignal): Promise<RunOutcome> {
    const { direction } = request;
    const sign = direction === 'forward' ? 1 : -1;
    const times: number[] = [];
    let frame: number | undefined;
    try {
      await this.engine.load();
      signal.throwIfAborted();
      const results = this.session.propagate({
        direction,
        from: request.from,
        to: request.to === undefined ? undefined : request.to + sign,
        objects: request.objects,
        reviser: request.discovery && this.#discover(request.discovery),
        signal,
      });
      for await (const result of results) {
        frame = result.frame;
        times.push(performance.now());
        if (times.length > SPEED_WINDOW) times.shift();
        const elapsed = (times.at(-1)! - times[0]!) / 1000;
        const framesPerSecond = elapsed > 0 ? (times.length - 1) / elapsed : 0;
        const left = result.total === undefined ? undefined : result.total - result.done;
        this.viewer.show(result.image, result.mask);
        this.#set(
          {
            state: 'running',
            direction,
            frame,
            done: result.done,
            total: result.total,
            framesPerSecond,
            secondsLeft: left === undefined || framesPerSecond === 0 ? undefined : left / framesPerSecond,
          },
          { columns: [columnOf(this.session, result)], memory: result.memory },
        );
        if (request.discovery) this.onCandidates();
        await breathe();
        if (signal.aborted) break;
      }
      this.#set({ state: 'idle' });
      return { ended: signal.aborted ? 'stopped' : 'done' };
    } catch (error) {
      if (signal.aborted) {
        this.#set({ state: 'idle' });
        return { ended: 'stopped' };
      }
      // What is asked of the engine next tries to open the GPU again.
      if ((error as Error).name === 'DeviceError') await this.engine.forget();
      const failure = failureOf(error);
      this.#set({ state: 'failed', failure, frame });
      return { ended: 'failed', failure };
    }
  }

  /** What looks for new objects; its queue goes on from run to run. */
  #discover(request: DiscoveryRequest): Discoverer {
    const before = this.#discoverer;
    if (before && JSON.stringify(before.request) === JSON.stringify(request)) return before.discoverer;
    const { segmenter, detector } = this.engine;
    const options: DiscovererOptions = {
      candidates:
        request.kind === 'everything'
          ? everything(segmenter)
          : describedBy(detector, segmenter, { text: request.text }),
      every: request.every,
      review: request.review,
      minArea: request.minArea,
      first: this.session.objects.length === 0,
      objects: this.session.objects.map(({ id, label }) => ({ id, label, source: 'mask' as const, frame: 0 })),
    };
    const discoverer = new Discoverer(options);
    this.#discoverer = { request, discoverer };
    return discoverer;
  }

  #set(status: RunStatus, more: Report = {}): void {
    this.#status = status;
    this.report({ run: status, ...more });
  }
}
