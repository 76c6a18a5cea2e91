/** The whole way with the real tracker at a tiny size, as people go it: `samtrack submit`, `worker`, `jobs`, `eval --farm`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeLabelPng, type LabelMap, openSource, readMask } from '../../pipeline/src/io/index.js';
import { DEAOT_T_WEIGHTS, makeMask, writeFrames, writeMask } from '../../pipeline/test/tracking/scene.js';
import { keyOf } from '../src/job/spec.js';
import { Ledger } from '../src/ledger/ledger.js';
import { connect } from '../src/queue/connection.js';
import { FarmQueue, type JobReport } from '../src/queue/farm-queue.js';
import { openStorage } from '../src/storage/open.js';
import { eventually, hasRedis, isAlive, TestRedis } from './redis.js';
import { temporaryFolder } from './temporary.js';
import { contents } from './toys.js';

const BIN = fileURLToPath(new URL('../../pipeline/bin/samtrack.mjs', import.meta.url));
const folder = temporaryFolder();
const at = (...parts: string[]) => join(folder, ...parts);
/** These wait for what happens, not for a time: the limit is for machines with much else to do. */
const LONG = 1_800_000;
const TINY = ['--weights', DEAOT_T_WEIGHTS];

describe.skipIf(!hasRedis)('samtrack worker', () => {
  let redis: TestRedis;
  let workers: ChildProcess[] = [];

  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.stop());
  afterEach(async () => {
    for (const worker of workers) worker.kill('SIGTERM');
    for (const worker of workers) await eventually(() => !isAlive(worker.pid!));
    workers = [];
  });

  const environment = (queue: string) => ({
    ...process.env,
    SAMTRACK_REDIS: redis.url,
    SAMTRACK_STORAGE: at(`storage-${queue}`),
    SAMTRACK_QUEUE: queue,
  });

  /** Runs `samtrack` to its end. */
  function samtrack(queue: string, ...argv: string[]): Promise<{ status: number | null; out: string; err: string }> {
    const child = spawn(process.execPath, [BIN, ...argv], {
      env: environment(queue),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (text) => (out += text));
    child.stderr.on('data', (text) => (err += text));
    return new Promise((resolve) => child.on('close', (status) => resolve({ status, out, err })));
  }

  /** Starts a worker. @returns what it has said, when asked */
  function worker(queue: string, ...more: string[]): { process: ChildProcess; said: () => string } {
    const argv = [BIN, 'worker', '--scratch', at('scratch'), '--lock-seconds', '2', ...more];
    const child = spawn(process.execPath, argv, { env: environment(queue), stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr!.on('data', (text) => (said += text));
    workers.push(child);
    return { process: child, said: () => said };
  }

  it(
    'a video that is killed and drained on the way ends with the bytes of samtrack track',
    async () => {
      const size = { width: 64, height: 48 };
      const frames = writeFrames(at('waves'), 300, size);
      const mask = writeMask(at('waves.png'), makeMask(size));
      const options = ['--mask', mask, ...TINY, '--no-overlay', '--format', 'mots'];
      const alone = samtrack('tracked', 'track', frames, ...options, '--out', at('alone'));
      expect(await samtrack('tracked', 'submit', frames, ...options, '--keys')).toMatchObject({
        status: 0,
        out: expect.stringMatching(/\tqueued\twaves\n/),
      });
      const queue = new FarmQueue(await connect({ redis: redis.url, queue: 'tracked' }), 'tracked');
      const [job] = await queue.queue.getJobs();
      const report = async () => ((await queue.queue.getJob(job!.id!))!.progress || {}) as Partial<JobReport>;
      const done = async () => (await report()).done ?? 0;

      const first = worker('tracked', '--host', 'one');
      await eventually(async () => (await done()) > 70);
      first.process.kill('SIGKILL');
      const second = worker('tracked', '--host', 'two');
      await eventually(async () => (await report()).host === 'two' && (await done()) > 64);
      second.process.kill('SIGTERM');
      await eventually(() => !isAlive(second.process.pid!));
      expect(second.said()).toMatch(/waves: given back after \d+ frames \(drain\)/);
      worker('tracked', '--host', 'three');
      await eventually(async () => (await queue.queue.getJobState(job!.id!)) === 'completed');

      expect((await alone).status).toBe(0);
      expect((await samtrack('tracked', 'jobs', 'fetch', '--all', '--out', at('fetched'))).status).toBe(0);
      expect(resultsOf(at('fetched', 'waves'))).toEqual(resultsOf(at('alone')));

      // The same once more costs nothing.
      expect(await samtrack('tracked', 'submit', frames, ...options)).toMatchObject({
        err: expect.stringContaining('1 done before'),
      });
      const { out } = await samtrack('tracked', 'jobs', 'show', job!.id!);
      expect(out).toMatch(/by two-.*, start 2/);
      expect(out).toMatch(/done +300 frames, .*mots\.txt/);
      await queue.close();
    },
    LONG,
  );

  it(
    'two workers evaluate the clip and three sequences, one is killed in the middle: the tables are those of one machine',
    async () => {
      const root = at('davis');
      await makeDavis(root);
      const options = ['davis', '--root', root, '--split', 'made', '--run', '--long-edge', '113'];
      const alone = samtrack('evaluated', 'eval', ...options, '--results', at('alone-davis'));
      const evaluation = samtrack('evaluated', 'eval', ...options, '--results', at('farm-davis'), '--farm');
      await eventually(() => existsSync(at('storage-evaluated', 'samtrack-storage.json')));
      const first = worker('evaluated', '--host', 'one');
      worker('evaluated', '--host', 'two');
      const queue = new FarmQueue(await connect({ redis: redis.url, queue: 'evaluated' }), 'evaluated');
      const storage = await openStorage(at('storage-evaluated'));
      const claims = async () => {
        const jobs = (await queue.queue.getJobs()).filter((job) => job?.name === 'davis');
        const ledgers = await Promise.all(jobs.map((job) => Ledger.open(storage, keyOf(job.data.spec))));
        return ledgers.map(({ entries }) => entries.flatMap((entry) => (entry.type === 'claim' ? [entry.host] : [])));
      };
      // It has claimed a sequence, and has the weights still to load.
      await eventually(async () => (await claims()).some(([host]) => host === 'one'));
      first.process.kill('SIGKILL');
      const [farm, one] = [await evaluation, await alone];
      expect(farm).toMatchObject({ status: 0, out: one.out.replaceAll('alone-davis', 'farm-davis') });
      expect(resultsOf(at('farm-davis'))).toEqual(resultsOf(at('alone-davis')));
      expect(await claims()).toContainEqual(['one', 'two']);
      await queue.close();
    },
    LONG,
  );

  it(
    'an evaluation with a sequence that cannot be tracked has no table, and names it',
    async () => {
      const root = at('davis-broken');
      await makeDavis(root, ['small', 'second']);
      writeFileSync(join(root, 'JPEGImages', '480p', 'second', '00003.png'), 'no picture');
      worker('broken');
      const options = ['davis', '--root', root, '--split', 'made', '--run', '--long-edge', '113'];
      const { status, err } = await samtrack('broken', 'eval', ...options, '--results', at('broken-davis'), '--farm');
      expect(status).toBe(1);
      expect(err).toMatch(/no scores of second: there is no table without them/);
      expect(err).toMatch(/second: .*00003\.png/);
      expect(readdirSync(folder)).not.toContain('broken-davis');
    },
    LONG,
  );

  it.each<[string[], RegExp, number]>([
    [['submit', 'nothing-*.mp4'], /nothing-\*\.mp4: nothing matches/, 1],
    [['submit', 'x.mp4', '--model', 'deaot-x'], /--model is one of/, 2],
    [['submit', 'x.mp4', '--mask', 'x.png'], /x\.mp4: ENOENT/, 1],
    [['submit'], /submit takes manifests/, 2],
    [['jobs', 'dance'], /jobs takes one of list, show/, 2],
    [['jobs', 'show', 'abcdef'], /abcdef: no such job/, 1],
    [['jobs', 'cancel'], /jobs cancel takes jobs, or --all/, 2],
    [['worker', '--metrics', 'here'], /--metrics is PORT/, 2],
    [['worker', '--lock-seconds', '0'], /--lock-seconds needs a positive number/, 2],
  ])('%j says what is wrong', async (argv, message, status) => {
    (await openStorage(at('storage-usage'), { create: true })).close();
    expect(await samtrack('usage', ...argv)).toMatchObject({ status, err: expect.stringMatching(message) });
  });

  it('a server that cannot be reached is named, without its password', async () => {
    const { status, err } = await samtrack('usage', 'jobs', 'list', '--redis', 'redis://me:secret@127.0.0.1:1/0');
    expect(status).toBe(1);
    expect(err).toMatch(/redis:\/\/me:\*\*\*@127\.0\.0\.1:1\/0: .*ECONNREFUSED/);
  });
});

/** Results but for what times them: frames and seconds in run records, and those columns of tables. */
function resultsOf(folder: string): Map<string, unknown> {
  const files = [...contents(folder)].filter(([path]) => !path.split('/').at(-1)!.startsWith('.'));
  return new Map(
    files.map(([path, base64]) => {
      const text = Buffer.from(base64, 'base64').toString();
      if (path.endsWith('run.json')) {
        const { tracked: _time, files: _digests, ...record } = JSON.parse(text);
        return [path, record];
      }
      const scores = path.includes('global') ? 7 : 3;
      if (path.endsWith('.csv')) return [path, text.split('\n').map((line) => line.split(',').slice(0, scores))];
      return [path, base64];
    }),
  );
}

/** A DAVIS folder: every third frame of the demo's clip, and made sequences; all tiny. */
async function makeDavis(root: string, names = ['clip', 'small', 'second', 'third']): Promise<void> {
  const lists = join(root, 'ImageSets', '2017');
  mkdirSync(lists, { recursive: true });
  writeFileSync(join(lists, 'made.txt'), `${names.join('\n')}\n`);
  for (const [i, name] of names.entries()) {
    const [pictures, annotations] = ['JPEGImages', 'Annotations'].map((kind) => join(root, kind, '480p', name));
    mkdirSync(annotations!, { recursive: true });
    if (name === 'clip') await copyClip(pictures!, annotations!);
    else {
      const size = { width: 64 + 16 * i, height: 48 };
      writeFrames(pictures!, 12 + i, size);
      for (let frame = 0; frame < 12 + i; frame++) {
        writeMask(join(annotations!, `${String(frame).padStart(5, '0')}.png`), makeMask(size));
      }
    }
  }
}

async function copyClip(pictures: string, annotations: string): Promise<void> {
  const { default: sharp } = await import('sharp');
  const demo = new URL('../../../demo/', import.meta.url);
  const source = await openSource(fileURLToPath(new URL('clip.mp4', demo)));
  mkdirSync(pictures, { recursive: true });
  const size = { width: 108, height: 60 };
  for await (const { index, width, height, rgba } of source.frames({ to: 36 })) {
    if (index % 3 !== 0) continue;
    const name = `${String(index / 3).padStart(5, '0')}.png`;
    await sharp(rgba, { raw: { width, height, channels: 4 } })
      .resize(size.width, size.height)
      .png()
      .toFile(join(pictures, name));
    const mask: LabelMap = await readMask(fileURLToPath(new URL(`masks/${String(index).padStart(5, '0')}.png`, demo)), {
      ...size,
      resize: 'nearest',
    });
    writeFileSync(join(annotations, name), encodeLabelPng(mask));
  }
  await source.close();
}
