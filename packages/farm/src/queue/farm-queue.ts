import { randomUUID } from 'node:crypto';
import { FlowProducer, type Job, type JobsOptions, Queue, type Telemetry } from 'bullmq';
import type { Redis } from 'ioredis';
import { FarmError, isFarmError } from '../errors.js';
import { type JobSpec, keyOf } from '../job/spec.js';
import { Ledger } from '../ledger/ledger.js';
import type { JobProgress } from '../run/context.js';
import type { Storage } from '../storage/storage.js';
import { PREFIX } from './connection.js';

/** What is queued. Results never are. */
export interface JobData {
  spec: JobSpec;
  /** Tells this entry of the queue from an earlier one of the same job. */
  run: string;
  /** Id of the storage. */
  storage: string;
}

/** How far a job at work is, and who works on it. */
export interface JobReport extends JobProgress {
  host: string;
  worker: string;
}

export type FarmJob = Job<JobData, unknown, string>;

/** What became of a submitted job. */
export type Submitted =
  /** It is queued now. */
  | 'queued'
  /** It was queued or at work already. */
  | 'known'
  /** Its results are stored: nothing to do. */
  | 'stored'
  /** It failed before, or is in quarantine, and is not tried again unless asked; or its ledger is damaged. */
  | 'failed';

/** A job for the queue. */
export interface Submission {
  spec: JobSpec;
  /** 1 is the most urgent; where one is given, a job that waits already gets it. */
  priority?: number;
}

const DEFAULT_PRIORITY = 100;
/** Of those that BullMQ knows. */
export const LOWEST_PRIORITY = 2 ** 21;
const BATCH = 500;
const WIDTH = 32;

/** How long the queue remembers what is done. */
const KEPT_SECONDS = 7 * 86_400;

const KEPT: JobsOptions = {
  // The worker decides what is tried again, from what the ledger says.
  attempts: 1,
  removeOnComplete: { age: KEPT_SECONDS, count: 100_000 },
  removeOnFail: { age: 30 * 86_400 },
};

/** The queue of a farm, as those see it who submit and watch. */
export class FarmQueue {
  readonly queue: Queue<JobData>;

  constructor(
    readonly redis: Redis,
    readonly name: string,
    private readonly telemetry?: Telemetry,
  ) {
    this.queue = new Queue<JobData>(name, { connection: redis, prefix: PREFIX, telemetry });
    this.queue.on('error', () => {});
  }

  /**
   * Queues jobs, but for those whose results are stored.
   * @param retry tries failed ones, and those in quarantine, again
   * @returns what became of each
   */
  async submit(
    storage: Storage,
    submissions: readonly Submission[],
    { retry = false, onProgress = (_: number) => {} } = {},
  ): Promise<Submitted[]> {
    const outcomes = new Map<string, Submitted>();
    const jobs = new Map(submissions.map((submission) => [keyOf(submission.spec), submission]));
    const keys = [...jobs.keys()];
    for (let from = 0; from < keys.length; from += BATCH) {
      const batch = keys.slice(from, from + BATCH);
      const fresh: string[] = [];
      await concurrently(batch, WIDTH, async (key) => {
        const found = await this.#known(storage, key, retry, jobs.get(key)!.priority).catch((error) => {
          // One damaged ledger keeps no other job from being queued.
          if (!isFarmError(error, 'storage-damaged')) throw error;
          return 'failed' as const;
        });
        if (found) outcomes.set(key, found);
        else fresh.push(key);
      });
      await this.queue.addBulk(
        batch
          .filter((key) => fresh.includes(key))
          .map((key) => {
            const { spec, priority = DEFAULT_PRIORITY } = jobs.get(key)!;
            outcomes.set(key, 'queued');
            return { name: spec.kind, data: this.#data(spec, storage), opts: { ...KEPT, jobId: key, priority } };
          }),
      );
      onProgress(Math.min(from + BATCH, keys.length));
    }
    return submissions.map(({ spec }) => outcomes.get(keyOf(spec))!);
  }

  async #known(
    storage: Storage,
    key: string,
    retry: boolean,
    priority: number | undefined,
  ): Promise<Submitted | undefined> {
    const ledger = await Ledger.open(storage, key);
    const { status } = ledger.state;
    if (status === 'done') return 'stored';
    if (status === 'failed' || status === 'quarantined') {
      if (!retry) return 'failed';
      await ledger.retry();
    }
    const job = await this.queue.getJob(key);
    if (!job) return undefined;
    const state = await job.getState();
    // An end that the ledger does not know of counts for nothing: the storage was emptied, or the job is to be tried again.
    if (['completed', 'failed'].includes(state)) {
      await job.remove();
      return undefined;
    }
    if (priority !== undefined && priority !== job.priority && ['prioritized', 'waiting'].includes(state)) {
      // A worker may have taken it by now.
      await job.changePriority({ priority }).catch(() => {});
    }
    return 'known';
  }

  /**
   * Queues an evaluation: the table waits for the scores, each of them for the masks of its sequence, and none for ever: what fails is
   * found missing by what builds on it.
   * @returns id of the table's job
   */
  async submitFlow(
    storage: Storage,
    table: JobSpec,
    sequences: readonly { score: JobSpec; track: JobSpec }[],
    priority = DEFAULT_PRIORITY,
  ): Promise<string> {
    const flow = randomUUID();
    const flows = new FlowProducer({ connection: this.redis, prefix: PREFIX, telemetry: this.telemetry });
    flows.on('error', () => {});
    const node = (spec: JobSpec) => ({
      name: spec.kind,
      queueName: this.name,
      data: this.#data(spec, storage),
      opts: { ...KEPT, priority, jobId: `${keyOf(spec).slice(0, 32)}-${flow}` },
    });
    const child = <T extends { opts: JobsOptions }>(job: T) => ({
      ...job,
      opts: { ...job.opts, ignoreDependencyOnFailure: true },
    });
    const root = node(table);
    await flows.add({
      ...root,
      children: sequences.map(({ score, track }) => ({ ...child(node(score)), children: [child(node(track))] })),
    });
    await flows.close();
    return root.opts.jobId;
  }

  #data(spec: JobSpec, storage: Storage): JobData {
    return { spec, run: randomUUID(), storage: storage.id };
  }

  /**
   * A job by its id or key, or by the beginning of one; of several entries of one job the one that is not done.
   * @throws FarmError `not-found` where several jobs begin like this
   */
  async find(id: string): Promise<FarmJob | undefined> {
    const job = await this.queue.getJob(id);
    if (job || id.length < 6) return job as FarmJob | undefined;
    // Those that are not done come first.
    const jobs = (await this.queue.getJobs()).filter(Boolean) as FarmJob[];
    const found = jobs.filter((candidate) => candidate.id!.startsWith(id) || keyOf(candidate.data.spec).startsWith(id));
    const keys = new Set(found.map(({ data }) => keyOf(data.spec)));
    if (keys.size > 1) throw new FarmError('not-found', id, `${keys.size} jobs begin like this`);
    const ended = await Promise.all(found.map(async (entry) => ENDED.includes(await entry.getState())));
    return found[Math.max(0, ended.indexOf(false))];
  }

  /**
   * Cancels a job, wherever it is: one that waits is taken out of the queue, the worker of one at work is told.
   * @returns what the job was doing; `unknown` if there is no such job any more
   */
  async cancel(job: FarmJob): Promise<string> {
    for (;;) {
      const state = await job.getState();
      if (ENDED.includes(state)) return state;
      if (state !== 'active') {
        try {
          await job.remove();
          return state;
        } catch (error) {
          // A worker has taken it meanwhile, or something that it waits for is at work: then it is cancelled when its turn comes.
          if (state !== (await job.getState())) continue;
          if (state !== 'waiting-children') throw error;
        }
      }
      await this.redis.set(cancelKey(this.name, job.id!), job.data.run, 'EX', KEPT_SECONDS);
      return state;
    }
  }

  /** Tries a job again that has failed in the queue, whoever wanted it cancelled before. */
  async retry(job: FarmJob): Promise<void> {
    await this.redis.del(cancelKey(this.name, job.id!));
    await job.retry();
  }

  /** Lets go of the queue and its connection. */
  async close(): Promise<void> {
    await this.queue.close();
    this.redis.disconnect();
  }
}

/** Where a job of the queue goes nowhere any more. */
export const ENDED = ['completed', 'failed', 'unknown'];

/** Set by who wants a job at work cancelled, to its run: a later one is not meant. */
export const cancelKey = (queue: string, id: string) => `${PREFIX}:${queue}:cancel:${id}`;

/** Held by who works on a job, so that two entries of the queue with one key do not take it from each other in turn. */
export const busyKey = (queue: string, key: string) => `${PREFIX}:${queue}:busy:${key}`;

export async function concurrently<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: Math.min(width, items.length) }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}
