/** The whole way with the real tracker at a tiny size, as people go it: `samtrack submit`, `worker`, `jobs`, `eval --farm`. */
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
import { CommandFarm } from './command-farm.js';
import { hasRedis } from './redis.js';
import { temporaryFolder } from './temporary.js';
import { contents } from './toys.js';

const folder = temporaryFolder();
const at = (...parts: string[]) => join(folder, ...parts);
const TINY = ['--weights', DEAOT_T_WEIGHTS];

describe.skipIf(!hasRedis)('samtrack worker', { timeout: 600_000 }, () => {
  let farm: CommandFarm;
  beforeAll(async () => {
    farm = await CommandFarm.start(at('scratch'));
  });
  afterAll(() => farm.stop());
  afterEach(({ task }) => farm.endWorkers(task.result?.state === 'fail'));
  const here = (queue: string, ...argv: string[]) => farm.here(queue, ...argv);
  const samtrack = (queue: string, ...argv: string[]) => farm.samtrack(queue, ...argv);

  it('a video that is killed and drained on the way ends with the bytes of samtrack track', async () => {
    const size = { width: 64, height: 48 };
    const frames = writeFrames(at('waves'), 20, size);
    const mask = writeMask(at('waves.png'), makeMask(size));
    const options = ['--mask', mask, ...TINY, '--format', 'mots'];
    const [alone, submitted] = await Promise.all([
      samtrack('tracked', 'track', frames, ...options, '--out', at('alone')),
      samtrack('tracked', 'submit', frames, ...options, '--keys'),
    ]);
    expect(alone).toMatchObject({ status: 0 });
    expect(submitted).toMatchObject({ status: 0, out: expect.stringMatching(/\tqueued\twaves\n/) });

    // Line 0 is its claim, 1 the first 8 frames; it dies when it has tracked 16.
    farm.holdLine(2);
    const first = farm.worker('tracked', 'one');
    await farm.held(1);
    await first.end('SIGKILL');
    await farm.held(0);
    farm.release();
    // Its claim is line 2. It is to stop when it has tracked 16, 8 of them by itself.
    farm.holdLine(3);
    const second = farm.worker('tracked', 'two');
    await farm.held(1);
    const ending = second.end('SIGTERM');
    await second.says('stopping');
    farm.release();
    await ending;
    expect(second.said).toMatch(/waves: given back after \d+ frames \(drain\)/);
    const third = farm.worker('tracked', 'three');
    await third.says('waves: done, 20 frames');

    expect((await samtrack('tracked', 'jobs', 'fetch', '--all', '--out', at('fetched'))).status).toBe(0);
    expect(resultsOf(at('fetched', 'waves'))).toEqual(resultsOf(at('alone')));

    // The same once more costs nothing.
    const again = await here('tracked', 'submit', frames, ...options, '--keys');
    expect(again).toMatchObject({ err: expect.stringContaining('1 done before') });
    const { out } = await here('tracked', 'jobs', 'show', again.out.split('\t')[0]!);
    // A start that loses its lock before it has claimed anything leaves a gap; the numbers only rise.
    const starts = [...out.matchAll(/by (one|two|three)-.*, start (\d+)/g)].map(([, by, start]) => ({
      by,
      start: Number(start),
    }));
    expect(starts.map(({ by }) => by)).toEqual(['one', 'two', 'three']);
    expect(starts[0]!.start).toBeLessThan(starts[1]!.start);
    expect(starts[1]!.start).toBeLessThan(starts[2]!.start);
    expect(out).toMatch(/done +20 frames, .*mots\.txt/);
  });

  it('prompts of a file, on several frames, give what they give without a farm', async () => {
    const size = { width: 64, height: 48 };
    const frames = writeFrames(at('prompted'), 8, size);
    const prompts = at('prompts.json');
    const objects = [
      { name: 'left', prompts: [{ frame: 0, box: [2, 8, 24, 40] }] },
      { name: 'right', prompts: [{ frame: 5, points: [[50, 24]], labels: [1] }] },
    ];
    writeFileSync(prompts, JSON.stringify({ objects }));
    const options = ['--prompts', prompts, ...TINY];
    farm.worker('prompted', 'one');
    const [alone, submitted] = await Promise.all([
      here('prompted', 'track', frames, ...options, '--out', at('prompted-alone')),
      samtrack('prompted', 'submit', frames, ...options, '--wait'),
    ]);
    expect(alone).toMatchObject({ status: 0 });
    expect(submitted).toMatchObject({ status: 0 });
    expect(await here('prompted', 'jobs', 'fetch', '--all', '--out', at('fetched'))).toMatchObject({ status: 0 });
    expect(resultsOf(at('fetched', 'prompted'))).toEqual(resultsOf(at('prompted-alone')));
    expect(readdirSync(at('fetched', 'prompted', 'masks'))).toHaveLength(8);
  });

  it('two workers evaluate the clip and three sequences, one is killed in the middle: the tables are those of one machine', async () => {
    const root = at('davis');
    await makeDavis(root);
    const options = ['davis', '--root', root, '--split', 'made', '--run', '--long-edge', '113'];
    const one = await here('evaluated', 'eval', ...options, '--results', at('alone-davis'));

    const [first] = [farm.worker('evaluated', 'one'), farm.worker('evaluated', 'two')];
    // Each has tracked a sequence, and cannot say so: then one of them dies.
    farm.holdLine(1);
    const evaluation = samtrack('evaluated', 'eval', ...options, '--results', at('farm-davis'), '--farm');
    evaluation.catch(() => {});
    await farm.held(2);
    await first.end('SIGKILL');
    await farm.held(1);
    farm.release();
    expect(await evaluation).toMatchObject({ status: 0, out: one.out.replaceAll('alone-davis', 'farm-davis') });
    expect(resultsOf(at('farm-davis'))).toEqual(resultsOf(at('alone-davis')));

    const queue = new FarmQueue(await connect({ redis: farm.redis.url, queue: '' }), 'evaluated');
    const jobs = (await queue.queue.getJobs()).filter((job) => job?.name === 'davis');
    await queue.close();
    const storage = await openStorage(farm.storageOf('evaluated'));
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
    farm.worker('broken', 'one');
    const options = ['davis', '--root', root, '--split', 'made', '--run', '--long-edge', '113'];
    const { status, err } = await here('broken', 'eval', ...options, '--results', at('broken-davis'), '--farm');
    expect(status).toBe(1);
    expect(err).toMatch(/no scores of second: there is no table without them/);
    expect(err).toMatch(/second: .*00003\.png/);
    expect(readdirSync(folder)).not.toContain('broken-davis');
  });

  it.each<[string[], RegExp, number]>([
    [['submit', 'nothing-*.mp4'], /nothing-\*\.mp4: nothing matches/, 1],
    [['submit', 'x.mp4', '--model', 'deaot-x'], /--model is one of/, 2],
    [['submit', 'x.mp4', '--mask', 'x.png'], /x\.mp4: ENOENT/, 1],
    [['submit', 'x.mp4', '--engine', 'cpu'], /--engine is the workers' matter/, 2],
    [['submit'], /submit takes manifests/, 2],
    [['jobs', 'dance'], /jobs takes one of list, show/, 2],
    [['jobs', 'show', 'abcdef'], /abcdef: no such job/, 1],
    [['jobs', 'cancel'], /jobs cancel takes jobs, or --all/, 2],
    [['worker', '--engine', 'tpu'], /--engine is one of auto, webgpu, cpu/, 2],
    [['worker', '--metrics', 'here'], /--metrics is PORT/, 2],
    [['worker', '--lock-seconds', '0'], /--lock-seconds needs a positive number/, 2],
  ])('%j says what is wrong', async (argv, message, status) => {
    (await openStorage(farm.storageOf('usage'), { create: true })).close();
    expect(await here('usage', ...argv)).toMatchObject({ status, err: expect.stringMatching(message) });
  });

  it('a server that cannot be reached is named, without its password', async () => {
    const { status, err } = await here('usage', 'jobs', 'list', '--redis', 'redis://me:secret@127.0.0.1:1/0');
    expect(status).toBe(1);
    expect(err).toMatch(/redis:\/\/me:\*\*\*@127\.0\.0\.1:1\/0: .*ECONNREFUSED/);
  });
});

/** Results but for what times them: seconds in run records, and tables of times. */
function resultsOf(folder: string): Map<string, unknown> {
  const files = [...contents(folder)].filter(([path]) => !path.split('/').at(-1)!.startsWith('.'));
  return new Map(
    files.map(([path, base64]) => {
      const text = Buffer.from(base64, 'base64').toString();
      if (path.endsWith('run.json')) {
        const { tracked: _time, files: _digests, ...record } = JSON.parse(text);
        return [path, record];
      }
      if (path.includes('timing-')) return [path, text.split('\n').map((line) => line.split(',').slice(0, 2))];
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
