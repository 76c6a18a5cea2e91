/** `samtrack submit`: videos into the queue. */
import {
  type Arguments,
  defineCommand,
  interruptible,
  isExpected,
  positiveNumber,
  Report,
  TRACK_OPTIONS,
  UsageError,
} from 'samtrack/cli';
import { FarmError } from '../errors.js';
import { readVideos, type Video } from '../job/manifest.js';
import { Planner } from '../job/plan.js';
import { keyOf } from '../job/spec.js';
import { Ledger } from '../ledger/ledger.js';
import { concurrently, ENDED, LOWEST_PRIORITY, type Submission, type Submitted } from '../queue/farm-queue.js';
import { withFarm } from './farm.js';
import { FARM_HELP, FARM_OPTIONS, farmAddress } from './options.js';
import { watch } from './watch.js';

const HELP = `Usage: samtrack submit SPEC|GLOB... --storage WHERE [options of samtrack track]

Queues videos for the workers of a farm (samtrack worker). Each becomes one job, which does what samtrack track does
with the same options. A job is known by what its results depend on: content of video, masks and weights, options and
version. What is stored already is not computed again.

SPEC is a manifest, .json or .jsonl, one entry a video:
  { "options": { "model": "deaot-t", "no-overlay": true },
    "videos": [ { "source": "a.mp4", "mask": "a.png", "priority": 10, "format": ["mots"] }, ... ] }
Keys are options of samtrack track; paths are relative to the manifest. GLOB is a pattern, file or folder. Workers
read sources under the same absolute paths, so they lie on a share that all mount.

Options of samtrack track hold for all; in their values {name} is a video's name without extension, {folder} where it
lies: samtrack submit 'videos/*.mp4' --mask '{folder}/{name}.png' --storage /share/results

  --priority N          1 is the most urgent; default 100; also for those of these videos that wait already
  --retry               try again what failed, or is in quarantine
  --wait                show the queue until these jobs have come to an end; exit status 1 if one has failed
  --keys                print each job's key, what became of it, and its name
  -q, --quiet           no progress
  -h, --help            print this

${FARM_HELP}`;

/** Of options of \`samtrack track\`, those that make no sense where results go to a storage. */
const { out: _out, resume: _resume, project: _project, overwrite: _overwrite, ...TRACKING } = TRACK_OPTIONS;

const OPTIONS = {
  ...TRACKING,
  ...FARM_OPTIONS,
  priority: { type: 'string' },
  retry: { type: 'boolean' },
  wait: { type: 'boolean' },
  keys: { type: 'boolean' },
} as const;

/** Videos whose digests are computed at the same time. */
const WIDTH = 4;

export const submitCommand = defineCommand({
  name: 'submit',
  summary: 'queue videos for the workers of a farm',
  help: HELP,
  options: OPTIONS,
  operands: true,
  run,
});

async function run({ options, operands, tokens }: Arguments<typeof OPTIONS>): Promise<number> {
  if (operands.length === 0) throw new UsageError('submit takes manifests, patterns, files or folders');
  const address = farmAddress(options);
  const priority = positiveNumber('priority', options.priority, { whole: true });
  if (priority !== undefined && priority > LOWEST_PRIORITY) {
    throw new UsageError(`--priority ${priority}: the least urgent is ${LOWEST_PRIORITY}`);
  }
  const report = new Report(options.quiet);
  const tracking = tokens.flatMap((token) =>
    token.kind === 'option' && token.name in TRACKING && token.name !== 'quiet'
      ? [token.value === undefined ? `--${token.name}` : `--${token.name}=${token.value}`]
      : [],
  );
  return interruptible(async (signal) => {
    const videos = await readVideos(operands, tracking);
    const planner = new Planner();
    const submissions: Submission[] = new Array(videos.length);
    const faults = new Map<number, Error>();
    let done = 0;
    await concurrently([...videos.entries()], WIDTH, async ([i, video]) => {
      signal.throwIfAborted();
      try {
        const spec = await planner.track(video.argv, video.name);
        submissions[i] = { spec, priority: video.priority ?? priority };
      } catch (error) {
        if (!(error instanceof UsageError) && !isExpected(error)) throw error;
        faults.set(i, error);
      }
      report.progress(`read ${++done}/${videos.length}`, done / videos.length);
    });
    report.end();
    refuse(faults, videos);
    return withFarm(
      address,
      async ({ queue, storage }) => {
        const outcomes = await queue.submit(storage, submissions, {
          retry: options.retry,
          onProgress: (sent) => report.progress(`submitted ${sent}/${videos.length}`, sent / videos.length),
        });
        report.end();
        if (options.keys) {
          for (const [i, { spec }] of submissions.entries()) {
            process.stdout.write(`${keyOf(spec)}\t${outcomes[i]}\t${spec.name}\n`);
          }
        }
        const failed = await reportOutcomes(outcomes, report);
        const jobs = new Set(submissions.map(({ spec }) => keyOf(spec))).size;
        if (jobs < videos.length) {
          report.note(`${videos.length} videos, ${jobs} jobs: some have the same content and options`);
        }
        if (!options.wait) return failed > 0 ? 1 : 0;
        const open = new Set(submissions.filter((_, i) => outcomes[i] !== 'failed').map(({ spec }) => keyOf(spec)));
        let lost = failed;
        await watch(queue, {
          signal,
          quiet: options.quiet,
          over: async () => {
            // What comes after one that has not ended is looked at when that one has.
            for (const key of open) {
              if (!ENDED.includes(await queue.queue.getJobState(key))) return false;
              open.delete(key);
              // One that was taken out of the queue has ended too.
              if ((await Ledger.open(storage, key)).state.status !== 'done') lost++;
            }
            return true;
          },
        });
        signal.throwIfAborted();
        if (lost > 0) report.failure(`samtrack submit: ${lost} of ${submissions.length} not done: samtrack jobs list`);
        return lost > 0 ? 1 : 0;
      },
      { create: true, patient: options.wait ?? false },
    );
  });
}

/** Faults that are told one by one. */
const TOLD = 20;

/** Where some videos cannot be submitted none is, so that it is the whole list that is mended and submitted. */
function refuse(faults: ReadonlyMap<number, Error>, videos: readonly Video[]): void {
  if (faults.size === 0) return;
  const [first] = faults.values();
  if (videos.length === 1 && videos[0]!.where === videos[0]!.argv[0]) throw first;
  const lines = [...faults].sort(([a], [b]) => a - b).map(([i, { message }]) => `  ${videos[i]!.where}: ${message}`);
  if (lines.length > TOLD) lines.splice(TOLD, lines.length, `  ... ${faults.size - TOLD} more`);
  const what = ['cannot be submitted, so none was', ...lines].join('\n');
  throw new FarmError('bad-spec', `${faults.size} of ${videos.length} videos`, what);
}

const WHAT: Record<Submitted, string> = {
  queued: 'queued',
  known: 'queued before',
  stored: 'done before',
  failed: 'failed before (samtrack jobs show KEY; --retry tries again)',
};

async function reportOutcomes(outcomes: readonly Submitted[], report: Report): Promise<number> {
  const counts = new Map<Submitted, number>();
  for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  const parts = (Object.keys(WHAT) as Submitted[]).filter((outcome) => counts.has(outcome));
  report.note(parts.map((outcome) => `${counts.get(outcome)} ${WHAT[outcome]}`).join(', '));
  return counts.get('failed') ?? 0;
}
