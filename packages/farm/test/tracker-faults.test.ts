/** The faults of a farm with the real tracker at a tiny size. What has nothing to do with it, `faults.test.ts` has with the toy. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DEAOT_T_WEIGHTS, makeMask, writeDeaotL, writeFrames, writeMask } from '../../pipeline/test/tracking/scene.js';
import { jobFolder, Ledger } from '../src/ledger/ledger.js';
import { openStorage } from '../src/storage/open.js';
import type { Storage } from '../src/storage/storage.js';
import { gpuIsRight } from '../src/worker/check-gpu.js';
import { CommandFarm } from './command-farm.js';
import { eventually } from './eventually.js';
import { hasRedis } from './redis.js';
import { temporaryFolder } from './temporary.js';
import { contents } from './toys.js';

const folder = temporaryFolder();
const at = (...parts: string[]) => join(folder, ...parts);
const SIZE = { width: 48, height: 32 };
/** Longer than anything but the fault takes, on slow machines too, whose storage the test makes wait. */
const HANG_SECONDS = 30;

/** Where a GPU is not what is tested, none is looked for. */
const CPU = ['--engine', 'cpu'];
const WEBGPU = ['--engine', 'webgpu'];

/** Everything but what tells when and how long. */
const resultsOf = (path: string) => {
  const files = contents(path);
  for (const name of files.keys()) if (/(^|\/)(run\.json|\..*)$/.test(name)) files.delete(name);
  return files;
};

/** What a test of faults does, on a farm of its own. */
function handsOn(farm: CommandFarm) {
  /** Frames and mask of a video, with what `samtrack track` makes of it. */
  async function video(name: string, count: number, model = ['--weights', DEAOT_T_WEIGHTS], engine = CPU) {
    const frames = writeFrames(at(name), count, SIZE);
    const options = ['--mask', writeMask(at(`${name}.png`), makeMask(SIZE)), ...model];
    return { frames, options, alone: await tracked(name, frames, [...options, ...engine]) };
  }

  async function tracked(name: string, frames: string, options: readonly string[]) {
    const out = at(`${name}-alone`);
    const { status, err } = await farm.here(name, 'track', frames, ...options, '--out', out);
    expect({ status, err }).toMatchObject({ status: 0 });
    return resultsOf(out);
  }

  async function submit(name: string, frames: string, options: readonly string[]): Promise<string> {
    const { status, out, err } = await farm.here(name, 'submit', frames, ...options, '--keys');
    expect({ status, err }).toMatchObject({ status: 0 });
    return out.split('\t')[0]!;
  }

  /** A worker on a GPU that fails before a frame of a video, as `faulty-gpu.mjs` says. */
  function faultyWorker(name: string, FAULT: string, frame: number, { once = false, queue = name, engine = CPU } = {}) {
    const FAULT_FILE = once ? at(`${name}.fault`) : '';
    if (once) writeFileSync(FAULT_FILE, '');
    const programs = fileURLToPath(new URL('faulty-gpu.mjs', import.meta.url));
    const env = { FAULT, FAULT_FILE, FAULT_VIDEO: name, FAULT_FRAME: String(frame) };
    return farm.worker(queue, 'one', ['--programs', programs, '--hang-seconds', String(HANG_SECONDS), ...engine], env);
  }

  async function onStorage<T>(name: string, use: (storage: Storage) => Promise<T>): Promise<T> {
    const storage = await openStorage(farm.storageOf(name));
    try {
      return await use(storage);
    } finally {
      storage.close();
    }
  }
  const ledgerOf = (name: string, key: string) => onStorage(name, (storage) => Ledger.open(storage, key));
  const entriesOf = async (name: string, key: string) => (await ledgerOf(name, key)).entries;
  const stateOf = async (name: string, key: string) => (await ledgerOf(name, key)).state;

  async function fetched(name: string) {
    const out = at(`${name}-fetched`);
    const { status, err } = await farm.here(name, 'jobs', 'fetch', '--all', '--out', out);
    expect({ status, err }).toMatchObject({ status: 0 });
    return resultsOf(join(out, name));
  }
  return { farm, video, tracked, submit, faultyWorker, onStorage, entriesOf, stateOf, fetched };
}

/** Tests run so many at a time, since most of what they do is waiting: the next one as soon as one has ended. */
let turns = 2;
const waiting: (() => void)[] = [];

async function inTurn(work: () => Promise<void>): Promise<void> {
  if (turns > 0) turns--;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  await work().finally(() => {
    const next = waiting.shift();
    if (next) next();
    else turns++;
  });
}

const onFarm = (test: (hands: ReturnType<typeof handsOn>) => Promise<void>) => () =>
  inTurn(async () => {
    const farm = await CommandFarm.start(at('scratch'));
    let failed = true;
    try {
      await test(handsOn(farm));
      failed = false;
    } finally {
      await farm.endWorkers(failed);
      await farm.stop();
    }
  });

describe.skipIf(!hasRedis).concurrent('faults, with the real tracker', { timeout: 600_000 }, () => {
  it(
    'one video through all of them ends with the bytes of a run without any',
    onFarm(async ({ farm, video, submit, faultyWorker, entriesOf, fetched }) => {
      const { frames, options, alone } = await video('unlucky', 34);
      const key = await submit('unlucky', frames, options);

      // Line 0 is a claim, 1 the first 8 frames. With 16 tracked, its child is killed.
      farm.holdLine(2, { once: true });
      const one = faultyWorker('unlucky', 'hung', 18, { once: true });
      await farm.held(1);
      process.kill(one.child!, 'SIGKILL');
      await one.says(/crashed: ended by SIGKILL/);
      await farm.held(0);
      farm.release();
      farm.holdLine(7);
      // Another child has a claim (line 3), stores 16 (line 4), and hangs.
      await one.says(/crashed: .*no sign of life for 30 s/);
      // While the third one (line 6) stores 24 (line 7), Redis dies and the storage is away, then full.
      await farm.held(1);
      await farm.redis.kill();
      farm.s3.failure = 503;
      farm.release();
      await one.says(/waiting: .*ServiceUnavailable/);
      farm.s3.failure = 507;
      await one.says(/waiting: .*(full|no space|quota)/i);
      // As it stores 32 (line 8), another one whose clock is wrong takes the job over: the first sleeps past its lock.
      farm.holdLine(8, { once: true });
      farm.s3.failure = undefined;
      await farm.redis.up();
      await farm.held(1);
      const skew = {
        NODE_OPTIONS: `--import ${new URL('skewed-clock.mjs', import.meta.url).href}`,
        SKEW_HOURS: '-30',
      };
      const two = farm.worker('unlucky', 'two', CPU, skew);
      await two.says(/worker two-/);
      one.signal('SIGSTOP');
      await eventually(
        'a claim of the second worker',
        async () => (await entriesOf('unlucky', key)).map(({ type }) => type),
        (types) => types.filter((type) => type === 'claim').length === 4,
      );
      one.signal('SIGCONT');
      farm.release();
      await one.says(/fenced: .*two-.* has taken it over/);
      await two.says('unlucky: done, 34 frames');

      expect(await fetched('unlucky')).toEqual(alone);
      const types = (await entriesOf('unlucky', key)).map(({ type }) => type);
      expect(types).toEqual([
        ...['claim', 'commit', 'crash', 'claim', 'commit', 'crash', 'claim', 'commit'],
        ...['claim', 'commit', 'done'],
      ]);
    }),
  );

  it(
    'a video that crashes its child three times is put aside; then the GPU is checked, and others have their turn',
    onFarm(async ({ farm, video, submit, faultyWorker, fetched }) => {
      const { frames, options, alone } = await video('good', 4);
      const poison = writeFrames(at('poison'), 3, SIZE);
      await submit('good', poison, options);
      const only = faultyWorker('poison', 'crashed', 2, { queue: 'good' });
      await only.says(/poison: quarantined: in quarantine: it crashed 3 times on one/);
      await submit('good', frames, options);
      await only.says('good: done, 4 frames');
      expect(only.said).toMatch(
        /takes no more jobs until the GPU passes its check.*the GPU has passed its check.*good: started/s,
      );
      expect(await fetched('good')).toEqual(alone);
      expect((await farm.here('good', 'jobs', 'quarantine')).out).toMatch(/poison +it crashed 3 times on one/);
    }),
  );

  it(
    'a GPU that is lost on the way is opened again, and the bytes are the same',
    onFarm(async ({ video, submit, faultyWorker, fetched }) => {
      const { frames, options, alone } = await video('lost', 12, undefined, WEBGPU);
      await submit('lost', frames, options);
      const worker = faultyWorker('lost', 'lost', 6, { once: true, engine: WEBGPU });
      await worker.says('lost: done, 12 frames');
      expect(worker.said).toMatch(/opened again and the run goes on/);
      expect(await fetched('lost')).toEqual(alone);
    }),
  );

  it.each([
    ['webgpu', WEBGPU],
    ['cpu', CPU],
  ])('a model of several layers, whose memory masks do not tell, goes on with it, %s', async (kind, engine) =>
    onFarm(async ({ farm, video, submit, faultyWorker, onStorage, entriesOf, stateOf, fetched }) => {
      const name = `deep-${kind}`;
      const model = ['--model', 'deaot-l', '--weights', writeDeaotL(folder)];
      const { frames, options, alone } = await video(name, 26, model, engine);
      const key = await submit(name, frames, options);
      // Of two chunks one is stored when it dies; the next worker is to stop in the third one.
      farm.holdLine(4);
      const one = faultyWorker(name, 'crashed', 15, { once: true, engine });
      await one.says(/crashed: ended by SIGKILL/);
      await farm.held(1);
      const ending = one.end('SIGTERM');
      await one.says('stopping');
      farm.release();
      await ending;
      const { frames: stored } = await stateOf(name, key);
      const two = farm.worker(name, 'two', engine);
      await two.says(`${name}: done, 26 frames`);
      expect(await fetched(name)).toEqual(alone);
      const entries = await entriesOf(name, key);
      expect(entries.map(({ type }) => type).filter((type) => type !== 'commit')).toEqual([
        ...['claim', 'crash', 'claim', 'release', 'claim', 'done'],
      ]);
      // Of what the tracker remembered the latest state was there, and is gone; no frame was tracked twice but those after it.
      const commits = entries.flatMap((entry) => (entry.type === 'commit' ? [entry] : []));
      expect(commits.every(({ latest }) => latest?.[0]?.path === 'memory.safetensors')).toBe(true);
      expect(stored).toBeGreaterThan(16);
      const objects = await onStorage(name, (storage) => storage.list(`${jobFolder(key)}/latest`));
      expect(objects).toEqual([]);
    })(),
  );

  it(
    'a model of several layers whose GPU is lost goes on from what is stored',
    onFarm(async ({ video, submit, faultyWorker, fetched }) => {
      const model = ['--model', 'deaot-l', '--weights', writeDeaotL(folder)];
      const { frames, options, alone } = await video('deep-lost', 14, model, WEBGPU);
      await submit('deep-lost', frames, options);
      const worker = faultyWorker('deep-lost', 'lost', 11, { once: true, engine: WEBGPU });
      await worker.says('deep-lost: done, 14 frames');
      expect(worker.said).toMatch(/crashed: .*goes on from what is stored/);
      expect(await fetched('deep-lost')).toEqual(alone);
    }),
  );

  it(
    'prompts on a later frame, tracked backward too: killed on the way it begins anew, to the same bytes',
    onFarm(async ({ tracked, submit, faultyWorker, entriesOf, fetched }) => {
      const frames = writeFrames(at('later'), 8, SIZE);
      const objects = [
        { name: 'left', prompts: [{ frame: 0, box: [2, 6, 18, 28] }] },
        { name: 'right', prompts: [{ frame: 5, points: [[38, 16]], labels: [1] }] },
      ];
      writeFileSync(at('later.json'), JSON.stringify({ objects }));
      const options = ['--prompts', at('later.json'), '--weights', DEAOT_T_WEIGHTS];
      const alone = await tracked('later', frames, [...options, ...CPU]);
      const key = await submit('later', frames, options);
      const worker = faultyWorker('later', 'crashed', 4, { once: true });
      await worker.says('later: done, 8 frames');
      expect(await fetched('later')).toEqual(alone);
      expect((await entriesOf('later', key)).map(({ type }) => type)).toEqual(['claim', 'crash', 'claim', 'done']);
    }),
  );

  it('a GPU that is not there is not right', async () => {
    expect(await gpuIsRight(['--adapter', 'no such adapter'])).toBe(false);
  });
});
