import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Job, type Telemetry, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { keyOf } from '../job/spec.js';
import { Ledger } from '../ledger/ledger.js';
import { PREFIX, reasonOf } from '../queue/connection.js';
import { busyKey, cancelKey, type JobData, type JobReport, LOWEST_PRIORITY } from '../queue/farm-queue.js';
import type { JobProgress } from '../run/context.js';
import type { JobRequest, Outcome } from '../run/run-job.js';
import { MARKER, markerId, type Storage } from '../storage/storage.js';
import type { Executor } from './executor.js';

/** Crashes in a row after which a worker takes no more jobs before its GPU has been checked. */
const SUSPICIOUS_CRASHES = 3;

/** What a supervisor works with. */
export interface SupervisorOptions {
  redis: Redis;
  queue: string;
  storage: Storage;
  executor: Executor;
  /** Whether the GPU computes right. */
  healthy: () => Promise<boolean>;
  /** The machine; default its name. Jobs that crash on two are poison. */
  host?: string | undefined;
  /** This worker, among those of the queue. */
  name?: string | undefined;
  /** Seconds after which a worker that says nothing has lost its job. */
  lockSeconds?: number | undefined;
  /** Frames after which a job is given back if others wait. */
  sliceFrames?: number | undefined;
  /** Seconds before the next try of whatever did not work. */
  pauseSeconds?: number | undefined;
  telemetry?: Telemetry | undefined;
  onEvent?: ((event: SupervisorEvent) => void) | undefined;
}

/** What a worker has to say, for logs and terminals. */
export type SupervisorEvent =
  | { type: 'start'; job: string; name: string; attempt: number }
  | { type: 'progress'; job: string; name: string; progress: JobProgress }
  | { type: 'end'; job: string; name: string; outcome: Outcome; seconds: number }
  | { type: 'note'; text: string };

type FarmJob = Job<JobData, unknown, string>;

/**
 * Takes jobs from the queue, one at a time, and has them done by an executor. It never computes itself, so the job's lock is renewed
 * whatever the executor is at.
 */
export class Supervisor {
  readonly host: string;
  readonly name: string;
  readonly #worker: Worker<JobData>;
  #crashes = 0;
  #draining = false;
  #busy = false;
  /** Until the executor has nothing to do. */
  #running = Promise.resolve();
  readonly #said = new Set<string>();
  /** Aborted when the supervisor ends. */
  readonly #ended = new AbortController();

  constructor(private readonly options: SupervisorOptions) {
    const { redis, queue, telemetry, lockSeconds = 30 } = options;
    this.host = options.host ?? hostname();
    this.name = options.name ?? `${this.host}-${process.pid}-${randomUUID().slice(0, 4)}`;
    this.#worker = new Worker<JobData>(queue, (job, token) => this.#process(job as FarmJob, token!), {
      connection: redis,
      prefix: PREFIX,
      name: this.name,
      concurrency: 1,
      lockDuration: lockSeconds * 1000,
      stalledInterval: lockSeconds * 500,
      // The ledger counts, and knows which of them made progress.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      runRetryDelay: 1000,
      telemetry,
      autorun: false,
    });
    // A server that is away says so with each try, on each connection: it is told once, and so is its return.
    let fault: string | undefined;
    this.#worker.on('error', (error) => {
      const message = reasonOf(error.message);
      if (message !== fault) this.#note(message);
      fault = message;
    });
    redis.on('ready', () => {
      if (fault !== undefined) this.#note('Redis answers again');
      fault = undefined;
    });
    this.#worker.on('lockRenewalFailed', (ids) => {
      if (this.#busy) this.#note(`the lock of ${ids.join(', ')} could not be renewed: the work goes on`);
    });
  }

  /** Works until `drain` or `close`. */
  async run(): Promise<void> {
    await this.#worker.run();
  }

  get busy(): boolean {
    return this.#busy;
  }

  /**
   * Takes no more jobs, and gives the one at work back after the frame it is at. A Redis that is away is waited for as long as the job's
   * lock lasts: after that it is another one's by itself.
   */
  async drain(): Promise<void> {
    const { executor, lockSeconds = 30, pauseSeconds = 2 } = this.options;
    this.#draining = true;
    this.#ended.abort();
    executor.stop('drain');
    const over = new AbortController();
    const { signal } = over;
    const patience = this.#busy ? lockSeconds : pauseSeconds;
    const closing = this.#worker.close().catch((error) => this.#note(reasonOf((error as Error).message)));
    const late = this.#running.then(() => sleep(patience * 1000, undefined, { signal })).catch(() => {});
    await Promise.race([closing, late]);
    over.abort();
    await executor.close();
  }

  /** Ends at once, as a process that is killed: what it had is another one's when its lock has run out. */
  async abandon(): Promise<void> {
    this.#draining = true;
    this.#ended.abort();
    await this.#worker.close(true);
  }

  async #process(job: FarmJob, token: string): Promise<unknown> {
    try {
      return await this.#work(job, token);
    } catch (error) {
      if (error instanceof UnrecoverableError || error instanceof WaitingError) throw error;
      // It is the queue's, or this machine's, and no reason why the job should count as failed.
      this.#note(`${job.data.spec.name}: ${reasonOf((error as Error).message)}`);
      throw await this.#giveBackAfter(error, job, token);
    }
  }

  /** Puts a job back as soon as that can be done, for as long as it is this worker's. */
  async #giveBackAfter(error: unknown, job: FarmJob, token: string): Promise<unknown> {
    for (;;) {
      try {
        const waiting = await this.#giveBack(job, token, 'front');
        await this.#pause();
        return waiting;
      } catch (fault) {
        // Without its lock it is another one's by now.
        if (/lock|active state/i.test((fault as Error).message)) return fault;
        if (this.#ended.signal.aborted) return error;
        await this.#pause();
      }
    }
  }

  async #work(job: FarmJob, token: string): Promise<unknown> {
    const { spec, storage, run } = job.data;
    const { id, attemptsStarted: attempt } = job;
    const begun = performance.now();
    if (!(await this.#isFor(storage))) {
      this.#noteOnce(`jobs for another storage than this worker's, ${this.options.storage.label}, are left to others`);
      await this.#pause();
      // Whatever its priority: it would be in the way of all that can be done here.
      throw await this.#giveBack(job, token, 'last');
    }
    if (await this.#isCancelled(job)) throw new UnrecoverableError('cancelled');
    const request: JobRequest = { spec, run, attempt, worker: this.name, host: this.host };
    const release = await this.#occupy(keyOf(spec), token);
    if (!release) {
      await this.#pause();
      throw await this.#giveBack(job, token, 'back');
    }
    this.#busy = true;
    this.#emit({ type: 'start', job: id!, name: spec.name, attempt });
    const attention = this.#attend(job);
    let outcome: Outcome;
    try {
      const running = this.options.executor.run(request, attention.onProgress);
      this.#running = running.then(
        () => {},
        () => {},
      );
      outcome = await running;
      if (outcome.status === 'crashed') outcome = await this.#tellCrash(request, outcome);
    } finally {
      await attention.end();
      await release();
      this.#busy = false;
    }
    this.#emit({ type: 'end', job: id!, name: spec.name, outcome, seconds: (performance.now() - begun) / 1000 });
    if (outcome.status === 'done' || (outcome.status === 'stopped' && outcome.tracked > 0)) this.#crashes = 0;
    return this.#conclude(job, token, outcome);
  }

  /** Whether jobs for a storage can be done here. One that was made anew under the same name has another id since. */
  async #isFor(id: string): Promise<boolean> {
    const { storage } = this.options;
    if (storage.id === id) return true;
    const marker = await storage.read(MARKER);
    return marker !== undefined && markerId(marker) === id;
  }

  async #conclude(job: FarmJob, token: string, outcome: Outcome): Promise<unknown> {
    switch (outcome.status) {
      case 'done':
        return { frames: outcome.frames };
      case 'failed':
      case 'quarantined':
        throw new UnrecoverableError(outcome.message);
      case 'stopped':
        if (outcome.reason === 'cancel') throw new UnrecoverableError('cancelled');
        throw await this.#giveBack(job, token, outcome.reason === 'slice' ? 'back' : 'front');
      case 'fenced': {
        await this.#pause();
        throw await this.#giveBack(job, token, 'front');
      }
      case 'hindered': {
        if (outcome.code === 'not-found') {
          await this.#pause();
          throw await this.#giveBack(job, token, 'back');
        }
        const waiting = await this.#giveBack(job, token, 'front');
        await this.#untilStorage(outcome.message);
        throw waiting;
      }
      case 'crashed': {
        // Another worker gets it, if there is one.
        const waiting = await this.#giveBack(job, token, 'front');
        if (++this.#crashes >= SUSPICIOUS_CRASHES) await this.#untilHealthy();
        else await this.#pause();
        throw waiting;
      }
    }
  }

  /** Tells the ledger of a crash, and puts the job aside if it was one too many. */
  async #tellCrash(request: JobRequest, crashed: Outcome & { status: 'crashed' }): Promise<Outcome> {
    const { message } = crashed;
    try {
      const ledger = await Ledger.open(this.options.storage, keyOf(request.spec));
      // Before its claim it has done nothing to the job.
      if (!ledger.adopt(request)) return crashed;
      await ledger.append({ type: 'crash', reason: message });
      const { poison } = ledger.state;
      if (!poison) return crashed;
      await ledger.quarantine(poison);
      this.#crashes++;
      if (this.#crashes >= SUSPICIOUS_CRASHES) await this.#untilHealthy();
      return { status: 'quarantined', code: 'quarantined', message: `in quarantine: ${poison}` };
    } catch (error) {
      this.#note(`a crash could not be told: ${(error as Error).message}`);
      return crashed;
    }
  }

  /** Puts a job back into the queue, before or behind others of its priority, or behind all. @returns what BullMQ wants thrown then */
  async #giveBack(job: FarmJob, token: string, where: 'front' | 'back' | 'last'): Promise<WaitingError> {
    await job.moveToWait(token);
    if (where !== 'front') await job.changePriority({ priority: where === 'last' ? LOWEST_PRIORITY : job.priority });
    return new WaitingError();
  }

  /** Watches over a job at work: passes progress on, at most once a second, and looks whether it is to stop. */
  #attend(job: FarmJob) {
    const { executor, sliceFrames = 4096 } = this.options;
    const { id, data } = job;
    let latest: JobProgress | undefined;
    let reported: JobProgress | undefined;
    let stopped = this.#draining;
    if (stopped) executor.stop('drain');
    const look = async () => {
      const progress = latest;
      if (progress && progress !== reported) {
        reported = progress;
        await job.updateProgress({ ...progress, host: this.host, worker: this.name } satisfies JobReport);
      }
      if (stopped) return;
      if (await this.#isCancelled(job)) {
        stopped = true;
        executor.stop('cancel');
      } else if ((progress?.tracked ?? 0) >= sliceFrames && (await this.#othersWait())) {
        stopped = true;
        executor.stop('slice');
      }
    };
    const over = new AbortController();
    const ended = aborted(over.signal);
    const watching = (async () => {
      while (!over.signal.aborted) {
        // Redis may be away: the job goes on.
        await Promise.race([look().catch(() => {}), ended]);
        await sleep(1000, undefined, { signal: over.signal }).catch(() => {});
      }
    })();
    return {
      onProgress: (progress: JobProgress) => {
        latest = progress;
        this.#emit({ type: 'progress', job: id!, name: data.spec.name, progress });
      },
      end: async () => {
        over.abort();
        await watching;
      },
    };
  }

  /** Whether someone wants this run of a job cancelled; who asks has to see to it. */
  async #isCancelled({ id, data }: FarmJob): Promise<boolean> {
    const { redis, queue } = this.options;
    const name = cancelKey(queue, id!);
    if ((await redis.get(name)) !== data.run) return false;
    await redis.del(name);
    return true;
  }

  async #othersWait(): Promise<boolean> {
    const { redis, queue } = this.options;
    const keys = ['wait', 'prioritized'].map((state) => `${PREFIX}:${queue}:${state}`);
    return (await redis.llen(keys[0]!)) + (await redis.zcard(keys[1]!)) > 0;
  }

  /** Holds a job's key for as long as it is worked on. @returns how to let go; undefined if someone else holds it */
  async #occupy(key: string, token: string): Promise<(() => Promise<void>) | undefined> {
    const { redis, queue, lockSeconds = 30 } = this.options;
    const name = busyKey(queue, key);
    const milliseconds = lockSeconds * 1000;
    if ((await redis.set(name, token, 'PX', milliseconds, 'NX')) !== 'OK') return undefined;
    const renew = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
      return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX')`;
    const letGo = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;
    const timer = setInterval(() => {
      redis.eval(renew, 1, name, token, milliseconds).catch(() => {});
    }, milliseconds / 3);
    return async () => {
      clearInterval(timer);
      await redis.eval(letGo, 1, name, token).catch(() => {});
    };
  }

  /** Waits until the storage answers again. */
  async #untilStorage(reason: string): Promise<void> {
    this.#note(`takes no more jobs until storage and disk can be written: ${reason}`);
    const probe = `probes/${this.name}`;
    while (!this.#draining) {
      await this.#pause();
      try {
        await this.options.storage.write(probe, new TextEncoder().encode('ok\n'));
        await this.options.storage.remove(probe);
        return;
      } catch {
        // Still away.
      }
    }
  }

  async #untilHealthy(): Promise<void> {
    this.#note(`${this.#crashes} crashes in a row: takes no more jobs until the GPU passes its check`);
    while (!this.#draining) {
      if (await this.options.healthy().catch(() => false)) {
        this.#note('the GPU has passed its check');
        this.#crashes = 0;
        return;
      }
      await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    await sleep((this.options.pauseSeconds ?? 2) * 1000, undefined, { signal: this.#ended.signal }).catch(() => {});
  }

  #noteOnce(text: string): void {
    if (this.#said.has(text)) return;
    this.#said.add(text);
    this.#note(text);
  }

  #note(text: string): void {
    this.#emit({ type: 'note', text });
  }

  #emit(event: SupervisorEvent): void {
    this.options.onEvent?.(event);
  }
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
