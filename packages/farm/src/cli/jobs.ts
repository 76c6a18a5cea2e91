/** `samtrack jobs`: what is queued, at work, done and failed, and what to do about it. */
import { join } from 'node:path';
import {
  type Arguments,
  defineCommand,
  interruptible,
  type OptionValues,
  oneOf,
  positiveNumber,
  Report,
  UsageError,
  wholeNumber,
} from 'samtrack/cli';
import { FarmError, isFarmError } from '../errors.js';
import { keyOf } from '../job/spec.js';
import { Ledger } from '../ledger/ledger.js';
import { openBoard } from '../observe/board.js';
import { columns, printable } from '../observe/table.js';
import { ENDED, type FarmJob, type FarmQueue, type JobReport, type Submitted } from '../queue/farm-queue.js';
import { damageOf, fetchResults } from '../results/fetch.js';
import type { Storage } from '../storage/storage.js';
import { withFarm, withQueue } from './farm.js';
import { FARM_HELP, FARM_OPTIONS, type FarmAddress, farmAddress } from './options.js';
import { watch } from './watch.js';

const STATES = ['waiting', 'active', 'held', 'completed', 'failed'] as const;

const HELP = `Usage: samtrack jobs list [--state NAME] [--limit N]
       samtrack jobs show JOB
       samtrack jobs watch [--until-done] [--board PORT]
       samtrack jobs fetch JOB... | --all --out FOLDER
       samtrack jobs cancel JOB... | --all
       samtrack jobs retry JOB... | --all
       samtrack jobs quarantine [JOB...] [--reason TEXT]

JOB is a job's key or id, or at least six digits of its beginning.

  list          jobs, those at work first
  show          what the ledger of a job says: who had it, what is stored, why it failed
  watch         a live table of what is at work, with frames per second and time left
  fetch         copies results from the storage: FOLDER/NAME holds what samtrack track --out leaves; of a job that is
                not done what is stored so far
  cancel        takes jobs out of the queue, and stops those at work; what they have stored stays
  retry         queues failed jobs again, and those in quarantine; --all: all of them. One that is done is queued again
                where something that is stored of it is damaged or missing
  quarantine    puts jobs aside, so that no worker takes them; without JOB: lists those that are there

  --state NAME  ${STATES.join(', ')}
  --limit N     jobs to list; default 50
  --all         all that are not done; for fetch: all that are
  --out FOLDER  where results go
  --until-done  stop watching when nothing is waiting or at work
  --board PORT  also serve bull-board, a page on 127.0.0.1:PORT
  --reason TEXT why
  --json        print JSON
  -q, --quiet   no progress
  -h, --help    print this

${FARM_HELP}`;

const OPTIONS = {
  ...FARM_OPTIONS,
  state: { type: 'string' },
  limit: { type: 'string' },
  all: { type: 'boolean' },
  out: { type: 'string' },
  'until-done': { type: 'boolean' },
  board: { type: 'string' },
  reason: { type: 'string' },
  json: { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
} as const;

type Options = OptionValues<typeof OPTIONS>;

interface Call {
  address: FarmAddress;
  ids: readonly string[];
  options: Options;
  report: Report;
  signal: AbortSignal;
}

/** Options that each verb knows besides the farm's. */
const VERBS: Record<
  string,
  { run(call: Call): Promise<number>; options: (keyof Options)[]; ids: 'none' | 'one' | 'some' | 'any' }
> = {
  list: { run: list, options: ['state', 'limit', 'json'], ids: 'none' },
  show: { run: show, options: ['json'], ids: 'one' },
  watch: { run: watchQueue, options: ['until-done', 'board'], ids: 'none' },
  fetch: { run: fetch, options: ['all', 'out'], ids: 'some' },
  cancel: { run: cancel, options: ['all'], ids: 'some' },
  retry: { run: retry, options: ['all'], ids: 'some' },
  quarantine: { run: quarantine, options: ['reason', 'json'], ids: 'any' },
};

export const jobsCommand = defineCommand({
  name: 'jobs',
  summary: 'list, watch, cancel and fetch queued jobs',
  help: HELP,
  options: OPTIONS,
  operands: true,
  run,
});

async function run({ options, operands }: Arguments<typeof OPTIONS>): Promise<number> {
  const [name, ...ids] = operands;
  const verb = VERBS[name ?? ''];
  if (!verb) throw new UsageError(`jobs takes one of ${Object.keys(VERBS).join(', ')}${name ? `, not "${name}"` : ''}`);
  const known = [...verb.options, ...Object.keys(FARM_OPTIONS), 'quiet'];
  const stray = Object.keys(options).find((option) => !known.includes(option));
  if (stray) throw new UsageError(`--${stray} does not go with jobs ${name}`);
  if (verb.ids === 'none' && ids.length > 0) throw new UsageError(`jobs ${name} takes no jobs`);
  if (verb.ids === 'one' && ids.length !== 1) throw new UsageError(`jobs ${name} takes one job, not ${ids.length}`);
  if (verb.ids === 'some' && ids.length > 0 === (options.all ?? false)) {
    throw new UsageError(`jobs ${name} takes jobs, or --all`);
  }
  const address = farmAddress(options);
  return interruptible((signal) => verb.run({ address, ids, options, report: new Report(options.quiet), signal }));
}

const print = (text: string) => process.stdout.write(`${text}\n`);

const QUEUE_STATES = {
  active: ['active'],
  waiting: ['prioritized', 'waiting', 'delayed'],
  held: ['waiting-children'],
  failed: ['failed'],
  completed: ['completed'],
} as const;

async function list({ address, options }: Call): Promise<number> {
  const wanted = oneOf('state', options.state, STATES);
  const limit = positiveNumber('limit', options.limit, { whole: true }) ?? 50;
  return withQueue(address, async ({ queue }) => {
    const rows: { state: string; job: FarmJob }[] = [];
    for (const [state, names] of Object.entries(QUEUE_STATES)) {
      if (wanted !== undefined && wanted !== state) continue;
      const left = limit - rows.length;
      if (left <= 0) break;
      const jobs = await queue.getJobs([...names], 0, left - 1, state !== 'completed');
      rows.push(...jobs.filter(Boolean).map((job) => ({ state, job: job as FarmJob })));
    }
    if (options.json) {
      const entries = rows.map(({ state, job }) => ({
        id: job.id,
        key: keyOf(job.data.spec),
        name: job.data.spec.name,
        kind: job.name,
        state,
        priority: job.priority,
        progress: job.progress,
        reason: job.failedReason,
      }));
      print(JSON.stringify(entries, null, 1));
      return 0;
    }
    if (rows.length === 0) {
      print('no jobs');
      return 0;
    }
    const lines = rows.map(({ state, job }) => {
      const { done, total, host = '' } = (typeof job.progress === 'object' ? job.progress : {}) as Partial<JobReport>;
      // Progress is told once a second: the end is in what came of it.
      const ended = state === 'completed' ? (job.returnvalue as { frames?: number } | null)?.frames : undefined;
      const frames = ended ?? (done === undefined ? '' : `${done}${total === undefined ? '' : `/${total}`}`);
      const last = job.failedReason ? job.failedReason.split('\n')[0]! : host;
      return { cells: [job.id!.slice(0, 12), job.data.spec.name, job.name, state, String(frames)], last };
    });
    const table = columns([['job', 'name', 'kind', 'state', 'frames'], ...lines.map(({ cells }) => cells)]);
    print(table[0]!);
    for (const [i, { last }] of lines.entries()) print(`${table[i + 1]}  ${printable(last)}`.trimEnd());
    return 0;
  });
}

interface Found {
  key: string;
  job: FarmJob | undefined;
}

/** A job by key or id: from the queue, or from the storage where the queue has forgotten it. */
async function find(queue: FarmQueue, storage: Storage, id: string): Promise<Found> {
  const job = await queue.find(id);
  if (job) return { key: keyOf(job.data.spec), job };
  if (/^[0-9a-f]{64}$/.test(id) && (await Ledger.open(storage, id)).entries.length > 0)
    return { key: id, job: undefined };
  if (/^[0-9a-f]{6,63}$/.test(id)) {
    const keys = (await storage.folders(`jobs/${id.slice(0, 2)}`)).filter((key) => key.startsWith(id));
    if (keys.length === 1) return { key: keys[0]!, job: undefined };
    if (keys.length > 1) throw new FarmError('not-found', id, `${keys.length} jobs begin like this`);
  }
  throw new FarmError('not-found', id, 'no such job');
}

async function show({ address, ids, options }: Call): Promise<number> {
  return withFarm(address, async ({ queue, storage }) => {
    const { key, job } = await find(queue, storage, ids[0]!);
    const { entries, state } = await Ledger.open(storage, key);
    const queued = job ? await job.getState() : undefined;
    if (options.json) {
      print(
        JSON.stringify(
          { key, id: job?.id, queue: queued, state: state.status, frames: state.frames, entries },
          null,
          1,
        ),
      );
      return 0;
    }
    const spec = (job?.data.spec ?? state.spec) as { name: string; kind: string } | undefined;
    print(printable(`${spec?.name ?? '?'} (${spec?.kind ?? '?'})`));
    print(`key      ${key}`);
    print(`ledger   ${state.status}, ${state.frames} frames stored${state.reason ? `: ${state.reason}` : ''}`);
    print(
      `queue    ${queued ? `${queued}${job!.failedReason ? `: ${job!.failedReason}` : ''}` : 'not there (any more)'}`,
    );
    for (const [line, entry] of entries.entries()) {
      const { type, time } = entry as typeof entry & { time?: string };
      const what =
        entry.type === 'claim'
          ? `by ${entry.worker}, start ${entry.attempt}`
          : entry.type === 'commit'
            ? `${entry.frames} frames${(entry.latest ?? []).map(({ path, bytes }) => `, ${path} (${(bytes / 1e6).toFixed(1)} MB)`).join('')}`
            : entry.type === 'done'
              ? `${entry.frames} frames, ${entry.files.map(({ path }) => path).join(', ')}${entry.notes.map((note) => `; ${note}`).join('')}`
              : 'reason' in entry
                ? entry.reason
                : 'message' in entry
                  ? entry.message
                  : '';
      print(`  ${String(line).padStart(4)}  ${time ?? ''}  ${type.padEnd(10)}  ${what.split('\n')[0]}`.trimEnd());
    }
    return 0;
  });
}

async function watchQueue({ address, options, signal, report }: Call): Promise<number> {
  const port = wholeNumber('board', options.board);
  return withQueue(
    address,
    async (farm) => {
      const board = port === undefined ? undefined : await openBoard(farm, port);
      try {
        if (board) report.note(`bull-board: ${board.url}`);
        await watch(farm, {
          signal,
          quiet: options.quiet,
          over: async () => {
            if (!options['until-done']) return false;
            const open = await farm.queue.getJobCounts('wait', 'prioritized', 'delayed', 'active', 'waiting-children');
            return Object.values(open).every((count) => count === 0);
          },
        });
        return 0;
      } finally {
        await board?.close();
      }
    },
    { patient: true },
  );
}

/** The jobs that a call names, or all of the queue in some states. */
async function chosen(
  queue: FarmQueue,
  storage: Storage,
  { ids, options }: Call,
  all: readonly (keyof typeof QUEUE_STATES)[],
) {
  if (!options.all) return Promise.all(ids.map((id) => find(queue, storage, id)));
  const jobs = await queue.queue.getJobs(all.flatMap((state) => [...QUEUE_STATES[state]]));
  return jobs.filter(Boolean).map((job): Found => ({ key: keyOf(job.data.spec), job: job as FarmJob }));
}

async function fetch(call: Call): Promise<number> {
  const { address, options, report, signal } = call;
  const { out } = options;
  if (!out) throw new UsageError('jobs fetch needs --out FOLDER');
  return withFarm(address, async ({ queue, storage }) => {
    const found = await chosen(queue, storage, call, ['completed']);
    const names = new Map<string, string>();
    let incomplete = 0;
    for (const [i, { key, job }] of found.entries()) {
      signal.throwIfAborted();
      try {
        const { state } = await Ledger.open(storage, key);
        const name = folderOf((job?.data.spec ?? state.spec ?? {}) as { name?: string }, key);
        // Videos of one name in several folders.
        const own = names.has(name) && names.get(name) !== key ? `${name}-${key.slice(0, 8)}` : name;
        names.set(own, key);
        const folder = join(out, own);
        const files = await fetchResults(storage, state, folder);
        report.progress(`fetched ${own} (${i + 1}/${found.length})`, (i + 1) / found.length);
        if (state.status !== 'done') {
          incomplete++;
          report.note(`${own}: not done, ${state.frames} frames so far`);
        }
        if (files.length > 0) print(folder);
      } catch (error) {
        if (!isFarmError(error, 'storage-damaged', 'not-empty')) throw error;
        // The others are fetched all the same.
        incomplete++;
        const mend = error.code === 'storage-damaged' ? ` (samtrack jobs retry ${key.slice(0, 12)})` : '';
        report.failure(`${error.message}${mend}`);
      }
    }
    report.end();
    if (found.length === 0) report.note('no job of this queue is done; older ones are fetched by their keys');
    return incomplete > 0 ? 1 : 0;
  });
}

/** A job's name as that of a folder, which leads nowhere else. */
function folderOf({ name = '' }: { name?: string }, key: string): string {
  const own = printable(name).replace(/[/\\]/g, '_');
  return /^\.*$/.test(own) ? key : own;
}

async function cancel(call: Call): Promise<number> {
  return withFarm(call.address, async ({ queue, storage }) => {
    const jobs = await chosen(queue, storage, call, ['active', 'waiting', 'held']);
    if (jobs.length === 0) print('nothing to cancel');
    for (const { key, job } of jobs) {
      const state = job ? await queue.cancel(job) : 'not in the queue';
      const what =
        state === 'active'
          ? 'at work: its worker is told'
          : [...ENDED, 'not in the queue'].includes(state)
            ? `nothing to cancel: ${state}`
            : 'cancelled';
      print(`${(job?.id ?? key).slice(0, 12)}  ${what}`);
    }
    return 0;
  });
}

async function retry(call: Call): Promise<number> {
  return withFarm(call.address, async ({ queue, storage }) => {
    const jobs = await chosen(queue, storage, call, ['failed']);
    if (jobs.length === 0) print('nothing to retry');
    for (const { key, job } of jobs) {
      const ledger = await Ledger.open(storage, key);
      const spec = job?.data.spec ?? ledger.state.spec;
      if (!spec) throw new FarmError('not-found', key, 'nothing is known of it any more: submit it again');
      await ledger.retry();
      // Asked for by its name, one that is done is looked at.
      const damage = call.options.all
        ? undefined
        : ledger.state.status === 'done' && (await damageOf(storage, ledger.state));
      if (damage) {
        call.report.note(damage);
        await ledger.redo(damage);
      }
      if ((await job?.getState()) === 'failed') {
        await queue.retry(job!);
        print(`${key.slice(0, 12)}  queued again`);
        continue;
      }
      const [outcome] = await queue.submit(storage, [{ spec: spec as never }], { retry: true });
      print(`${key.slice(0, 12)}  ${RETRIED[outcome!] ?? 'queued again'}`);
    }
    return 0;
  });
}

/** What is said where there is nothing to try again. */
const RETRIED: { [outcome in Submitted]?: string } = {
  known: 'nothing to retry: it waits, or is at work',
  stored: 'nothing to retry: it is done, and all that is stored is whole',
};

async function quarantine(call: Call): Promise<number> {
  const { address, ids, options } = call;
  return withFarm(address, async ({ queue, storage }) => {
    if (ids.length > 0) {
      for (const { key, job } of await chosen(queue, storage, call, [])) {
        const ledger = await Ledger.open(storage, key);
        await ledger.quarantine(options.reason ?? 'put aside by hand');
        if (job) await queue.cancel(job);
        print(
          `${key.slice(0, 12)}  ${ledger.state.status === 'done' ? 'is done: nothing to put aside' : 'in quarantine'}`,
        );
      }
      return 0;
    }
    const jobs = (await queue.queue.getJobs(['failed'])).filter(Boolean);
    const rows: { key: string; name: string; reason: string }[] = [];
    for (const job of jobs) {
      const key = keyOf(job.data.spec);
      const { state } = await Ledger.open(storage, key);
      if (state.status === 'quarantined') rows.push({ key, name: job.data.spec.name, reason: state.reason ?? '' });
    }
    if (options.json) print(JSON.stringify(rows, null, 1));
    else if (rows.length === 0) print('no jobs in quarantine');
    else for (const { key, name, reason } of rows) print(`${key.slice(0, 12)}  ${name}  ${reason.split('\n')[0]}`);
    return 0;
  });
}
