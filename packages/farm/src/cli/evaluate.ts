/** `samtrack eval davis --farm`: tracking, scoring and the tables, on the workers of a farm. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { EvalFarmRun } from 'samtrack/cli';
import { FarmError } from '../errors.js';
import { type DavisJobs, Planner } from '../job/plan.js';
import { keyOf } from '../job/spec.js';
import { Ledger } from '../ledger/ledger.js';
import { fetchScores, makeTables } from '../programs/davis.js';
import { ENDED, type FarmQueue } from '../queue/farm-queue.js';
import { fetchResults } from '../results/fetch.js';
import type { Storage } from '../storage/storage.js';
import { withFarm } from './farm.js';
import { farmAddress } from './options.js';
import { watch } from './watch.js';

/** @returns the exit status */
export async function evaluate({ plan, options, report, signal }: EvalFarmRun): Promise<number> {
  const address = farmAddress(options);
  const { table, sequences } = await new Planner().davis({ plan, options });
  report.note(`${sequences.length} sequences`);
  return withFarm(
    address,
    async ({ queue, storage }) => {
      // Whoever evaluates again wants what failed tried again, as without a farm.
      for (const { track, score } of sequences) {
        for (const spec of [track, score]) await (await Ledger.open(storage, keyOf(spec))).retry();
      }
      const id = await queue.submitFlow(storage, table, sequences);
      await untilDone(queue, id, signal);
      const { state } = await Ledger.open(storage, keyOf(table));
      if (state.status !== 'done') {
        const reasons = await reasonsOf(storage, sequences);
        const job = await queue.queue.getJob(id);
        throw new FarmError(
          'incomplete',
          'samtrack eval',
          [job?.failedReason ?? 'it did not come to an end', ...reasons].join('\n'),
        );
      }
      for (const [i, { track }] of sequences.entries()) {
        report.progress(`fetching ${track.name} (${i + 1}/${sequences.length})`, (i + 1) / sequences.length);
        await fetchResults(storage, (await Ledger.open(storage, keyOf(track))).state, plan.results);
      }
      report.end();
      const keys = sequences.map(({ track, score }) => ({
        name: track.name,
        track: keyOf(track),
        score: keyOf(score),
      }));
      const temporary = await mkdtemp(join(tmpdir(), 'samtrack-scores-'));
      try {
        const scores = await fetchScores(storage, keys, temporary);
        const { out, json } = options;
        const tables = await makeTables({ plan, options, scores, results: plan.results, out, json, signal });
        process.stdout.write(tables.table);
        for (const file of tables.files) process.stdout.write(`${resolve(file)}\n`);
      } finally {
        await rm(temporary, { recursive: true, force: true });
      }
      return 0;
    },
    { create: true, patient: true },
  );
}

async function untilDone(queue: FarmQueue, id: string, signal: AbortSignal): Promise<void> {
  const over = async () => ENDED.includes(await queue.queue.getJobState(id));
  await watch(queue, { signal, over });
  signal.throwIfAborted();
}

/** Why sequences failed, one line each. */
async function reasonsOf(storage: Storage, sequences: DavisJobs['sequences']): Promise<string[]> {
  const reasons: string[] = [];
  for (const { track, score } of sequences) {
    for (const spec of [track, score]) {
      const { state } = await Ledger.open(storage, keyOf(spec));
      if (state.reason) reasons.push(`  ${spec.name}: ${state.reason.split('\n')[0]}`);
    }
  }
  return reasons;
}
