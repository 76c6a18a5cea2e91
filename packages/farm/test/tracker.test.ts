/** The whole way with the real tracker at a tiny size, as people go it: `samtrack submit`, `worker`, `jobs`, `eval --farm`. */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeLabelPng, type LabelMap, openSource, readMask } from '../../pipeline/src/io/index.js';
import { DEAOT_T_WEIGHTS, makeMask, writeFrames, writeMask } from '../../pipeline/test/tracking/scene.js';
import { keyOf } from '../src/job/spec.js';
import { Ledger } from '../src/ledger/ledger.js';
import { connect } from '../src/queue/connection.js';
import { FarmQueue } from '../src/queue/farm-queue.js';
import { openStorage } from '../src/storage/open.js';
import { eventually } from './eventually.js';
import { childrenOf, isAlive } from './processes.js';
import { hasRedis, TestRedis } from './redis.js';
import { S3Server } from './s3-server.js';
import { temporaryFolder } from './temporary.js';
import { contents } from './toys.js';

const BIN = fileURLToPath(new URL('../../pipeline/bin/samtrack.mjs', import.meta.url));
const folder = temporaryFolder();
const at = (...parts: string[]) => join(folder, ...parts);
/** Of one run of a command; those who wait have limits of their own. */
const COMMAND_MS = 120_000;
const TINY = ['--weights', DEAOT_T_WEIGHTS];

/** A worker, and what it has said. */
interface StartedWorker {
  /** Sends a signal. Resolves when it is gone, with its child. */
  end(signal: NodeJS.Signals): Promise<void>;
  said(): string;
}

describe.skipIf(!hasRedis)('samtrack worker', () => {
  let redis: TestRedis;
  let s3: S3Server;
  let workers: StartedWorker[] = [];

  beforeAll(async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
    [redis, s3] = await Promise.all([TestRedis.start(), S3Server.start()]);
  });
  afterAll(() => Promise.all([redis.stop(), s3.stop()]));
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') for (const { said } of workers) process.stderr.write(said());
    s3.release();
    await Promise.all(workers.map((worker) => worker.end('SIGTERM')));
    workers = [];
  });

  // The storage is one that answers when the test lets it: a worker is held at the line of its ledger that it wants to write.
  const environment = (queue: string) => ({
    ...process.env,
    SAMTRACK_REDIS: redis.url,
    SAMTRACK_STORAGE: s3.url(`farm/${queue}`),
    SAMTRACK_QUEUE: queue,
  });
  const holdLine = (line: number) => {
    const end = `/log/${String(line).padStart(6, '0')}.json`;
    s3.hold = (method, name) => method === 'PUT' && name.endsWith(end);
  };
  const held = (count: number, worker: StartedWorker) =>
    eventually(
      `${count} workers at the line where the storage makes them wait`,
      () => ({ waiting: s3.waiting, said: worker.said() }),
      ({ waiting }) => waiting.length >= count,
    );

  /** Runs `samtrack` to its end. */
  function samtrack(queue: string, ...argv: string[]): Promise<{ status: number | null; out: string; err: string }> {
    const child = spawn(process.execPath, [BIN, ...argv], {
      env: environment(queue),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_MS,
      killSignal: 'SIGKILL',
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (text) => (out += text));
    child.stderr.on('data', (text) => (err += text));
    return new Promise((resolve, reject) =>
      child.on('close', (status, signal) => {
        if (signal) reject(new Error(`samtrack ${argv.join(' ')}: ended by ${signal}, having said: ${out}${err}`));
        else resolve({ status, out, err });
      }),
    );
  }

  function worker(queue: string, host: string): StartedWorker {
    const argv = [BIN, 'worker', '--scratch', at('scratch'), '--lock-seconds', '2', '--host', host];
    const child = spawn(process.execPath, argv, { env: environment(queue), stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (text) => (said += text));
    const started: StartedWorker = {
      end: async (signal) => {
        const pids = [child.pid!, ...childrenOf(child.pid!)];
        child.kill(signal);
        const look = () => ({ alive: pids.filter(isAlive), said });
        await eventually(`the end of worker and child ${pids}`, look, ({ alive }) => alive.length === 0);
      },
      said: () => said,
    };
    workers.push(started);
    return started;
  }

  it('a video that is killed and drained on the way ends with the bytes of samtrack track', async () => {
    const size = { width: 64, height: 48 };
    const frames = writeFrames(at('waves'), 150, size);
    const mask = writeMask(at('waves.png'), makeMask(size));
    const options = ['--mask', mask, ...TINY, '--no-overlay', '--format', 'mots'];
    const [alone, submitted] = await Promise.all([
      samtrack('tracked', 'track', frames, ...options, '--out', at('alone')),
      samtrack('tracked', 'submit', frames, ...options, '--keys'),
    ]);
    expect(alone).toMatchObject({ status: 0 });
    expect(submitted).toMatchObject({ status: 0, out: expect.stringMatching(/\tqueued\twaves\n/) });

    // Line 0 is its claim, 1 the first 64 frames; it dies when it has tracked 128.
    holdLine(2);
    const first = worker('tracked', 'one');
    await held(1, first);
    await first.end('SIGKILL');
    s3.release();
    // Its claim is line 2. It is to stop when it has tracked 128, 64 of them by itself.
    holdLine(3);
    const second = worker('tracked', 'two');
    await held(1, second);
    const ending = second.end('SIGTERM');
    await eventually('its answer to SIGTERM', second.said, (said) => said.includes('stopping'));
    s3.release();
    await ending;
    expect(second.said()).toMatch(/waves: given back after \d+ frames \(drain\)/);
    const third = worker('tracked', 'three');
    await eventually('the end of the video', third.said, (said) => said.includes('waves: done, 150 frames'));

    expect((await samtrack('tracked', 'jobs', 'fetch', '--all', '--out', at('fetched'))).status).toBe(0);
    expect(resultsOf(at('fetched', 'waves'))).toEqual(resultsOf(at('alone')));

    // The same once more costs nothing.
    const again = await samtrack('tracked', 'submit', frames, ...options, '--keys');
    expect(again).toMatchObject({ err: expect.stringContaining('1 done before') });
    const { out } = await samtrack('tracked', 'jobs', 'show', again.out.split('\t')[0]!);
    expect(out).toMatch(/by two-.*, start 2/);
    expect(out).toMatch(/by three-.*, start 3/);
    expect(out).toMatch(/done +150 frames, .*mots\.txt/);
  });

  it('two workers evaluate the clip and three sequences, one is killed in the middle: the tables are those of one machine', async () => {
    const root = at('davis');
    await makeDavis(root);
    const options = ['davis', '--root', root, '--split', 'made', '--run', '--long-edge', '113'];
    const one = await samtrack('evaluated', 'eval', ...options, '--results', at('alone-davis'));

    const [first] = [worker('evaluated', 'one'), worker('evaluated', 'two')];
    // Each has tracked a sequence, and cannot say so: then one of them dies.
    holdLine(1);
    const evaluation = samtrack('evaluated', 'eval', ...options, '--results', at('farm-davis'), '--farm');
    evaluation.catch(() => {});
    await held(2, first);
    await first.end('SIGKILL');
    s3.release();
    const farm = await evaluation;
    expect(farm).toMatchObject({ status: 0, out: one.out.replaceAll('alone-davis', 'farm-davis') });
    expect(resultsOf(at('farm-davis'))).toEqual(resultsOf(at('alone-davis')));

    const queue = new FarmQueue(await connect({ redis: redis.url, queue: '' }), 'evaluated');
    const jobs = (await queue.queue.getJobs()).filter((job) => job?.name === 'davis');
    await queue.close();
    const storage = await openStorage(s3.url('farm/evaluated'));
    const ledgers = await Promise.all(jobs.map((job) => Ledger.open(storage, keyOf(job.data.spec))));
    const claims = ledgers.map(({ entries }) =>
      entries.flatMap((entry) => (entry.type === 'claim' ? [entry.host] : [])),
    );
    storage.close();
    expect(claims.sort()).toEqual([['one', 'two'], ['two'], ['two'], ['two']]);
  });

  it('an evaluation with a sequence that cannot be tracked has no table, and names it', async () => {
    const root = at('davis-broken');
    await makeDavis(root, ['small', 'second']);
    writeFileSync(join(root, 'JPEGImages', '480p', 'second', '00003.png'), 'no picture');
    worker('broken', 'one');
    const options = ['davis', '--root', root, '--split', 'made', '--run', '--long-edge', '113'];
    const { status, err } = await samtrack('broken', 'eval', ...options, '--results', at('broken-davis'), '--farm');
    expect(status).toBe(1);
    expect(err).toMatch(/no scores of second: there is no table without them/);
    expect(err).toMatch(/second: .*00003\.png/);
    expect(readdirSync(folder)).not.toContain('broken-davis');
  });

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
    (await openStorage(s3.url('farm/usage'), { create: true })).close();
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
