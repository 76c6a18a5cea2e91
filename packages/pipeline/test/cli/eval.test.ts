import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { unzipSync } from 'fflate';
import { beforeAll, describe, expect, it } from 'vitest';
import { ScorePool } from '../../src/cli/eval/score-pool.js';
import { readMask } from '../../src/io/index.js';
import { EvaluationError, evaluateDavis } from '../../src/metrics/index.js';
import { temporaryFolder } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS, makeMask, writeFrames, writeMask } from '../tracking/scene.js';
import { samtrack } from './run.js';

const SIZE = { width: 64, height: 48 };
const COUNT = 5;
const folder = temporaryFolder();
const root = join(folder, 'DAVIS');
const names = Array.from({ length: COUNT }, (_, i) => `0000${i}.png`);
const results = join(folder, 'results');
const perfect = join(folder, 'perfect');
const davis = (...more: string[]) => ['eval', 'davis', '--root', root, '--results', results, ...more];
const run = (...more: string[]) => davis('--run', '--weights', DEAOT_T_WEIGHTS, ...more);
const modified = (sequence: string) => names.map((name) => statSync(join(results, sequence, name)).mtimeMs);

/** Two sequences, of one and of two objects, that do not move. */
beforeAll(() => {
  for (const [sequence, objects] of [
    ['one', 1],
    ['two', 2],
  ] as const) {
    writeFrames(join(root, 'JPEGImages/480p', sequence), COUNT, SIZE);
    const annotations = join(root, 'Annotations/480p', sequence);
    mkdirSync(annotations, { recursive: true });
    for (const name of names) writeMask(join(annotations, name), makeMask(SIZE, objects));
    mkdirSync(join(perfect, sequence), { recursive: true });
    // The second object of `two` is missing.
    const found = makeMask(SIZE, objects);
    found.data = found.data.map((id) => (id === 2 ? 0 : id));
    for (const name of names) writeMask(join(perfect, sequence, name), found);
  }
  mkdirSync(join(root, 'ImageSets/2017'), { recursive: true });
  writeFileSync(join(root, 'ImageSets/2017/val.txt'), 'one\ntwo\n');
});

describe('samtrack eval davis', () => {
  it('scores results and writes the official files', async () => {
    const [out, json] = [join(folder, 'scores'), join(folder, 'scores.json')];
    const { status, out: text } = await samtrack([...davis('--out', out, '--json', json), '--results', perfect]);
    expect(status).toBe(0);
    expect(text).toMatch(/^all objects +0\.667 +0\.667 /m);
    const files = ['global_results-val.csv', 'per-sequence_results-val.csv'];
    expect(text.trim().split('\n').slice(-3)).toEqual([...files.map((name) => join(out, name)), json]);
    expect(readFileSync(join(out, files[0]!), 'utf8')).toMatch(/^J&F-Mean,.*\n0\.667,0\.667,/);
    expect(readFileSync(join(out, files[1]!), 'utf8')).toBe(
      'Sequence,J-Mean,F-Mean\none_1,1.000,1.000\ntwo_1,1.000,1.000\ntwo_2,0.000,0.000\n',
    );
    const report = JSON.parse(readFileSync(json, 'utf8'));
    expect(report.sequences.map(({ name }: { name: string }) => name)).toEqual(['one', 'two']);
    // Every frame but the first and the last.
    expect(report.sequences[1].objects[0].j).toEqual([1, 1, 1]);
  });

  it('tracks first with --run, and tracks nothing twice', async () => {
    let pressed = false;
    const stopped = await samtrack(run(), (text) => {
      if (!pressed && text.startsWith('two (2/2): frame 3/')) pressed = process.emit('SIGINT');
    });
    expect(stopped).toMatchObject({ status: 130, out: '' });
    expect(stopped.err).toMatch(/two stopped after [34] frames\. All results are kept: the same command goes on\./);
    const kept = modified('one');

    const { status, out, err } = await samtrack(run());
    expect(status).toBe(0);
    expect(err).toMatch(/^one \(1\/2\): done before$/m);
    expect(err).toMatch(/^scored two \(2\/2\)$/m);
    expect(out).toMatch(/^one +\d/m);
    expect(out).toMatch(/^all objects +\d/m);
    expect(modified('one')).toEqual(kept);
    // The official layout, with the first annotation copied.
    expect(readdirSync(join(results, 'two')).filter((name) => name.endsWith('.png'))).toEqual(names);
    expect(await readMask(join(results, 'two/00000.png'))).toEqual(makeMask(SIZE));

    const other = await samtrack(run('--long-edge', '49'));
    expect(other).toMatchObject({ status: 1, err: expect.stringMatching(/longEdge was not given and is now 49/) });
    const again = await samtrack(run('--overwrite', '--sequences', 'one', '--quiet'));
    expect(again).toMatchObject({ status: 0, err: '' });
    expect(modified('one')).not.toEqual(kept);
  });

  it('tracks one object for 2016, whatever ids the annotation has', async () => {
    const argv = run('--year', '2016', '--sequences', 'two', '--results', join(folder, '2016'), '--quiet');
    expect(await samtrack(argv)).toMatchObject({ status: 0 });
    const first = await readMask(join(folder, '2016/two/00000.png'));
    expect(first).toEqual(makeMask(SIZE, 1));
  });

  it.each<[what: string, argv: string[], message: RegExp]>([
    ['a missing result', davis('--results', join(folder, 'nosuch')), /nosuch\/one\/00001\.png: no such file/],
    ['a missing data set', davis('--root', join(folder, 'nosuch')), /nosuch.*no such folder of annotations/],
    ['a missing list', davis('--split', 'nosuch'), /nosuch\.txt: no such list of sequences/],
    ['a missing sequence', run('--sequences', 'nosuch'), /nosuch: no such file or folder/],
    ['a path', run('--sequences', '../one'), /"\.\.\/one" is no name of a folder of annotations/],
  ])('names %s', async (_, argv, message) => {
    const { status, err } = await samtrack(argv);
    expect(status).toBe(1);
    expect(err).toMatch(message);
    expect(err).not.toMatch(/^ +at /m);
  });
});

describe('samtrack eval davis where annotations are missing', () => {
  const partly = join(folder, 'partly');
  const scored = async (...more: string[]) => {
    const argv = [
      'eval',
      'davis',
      '--root',
      partly,
      '--results',
      perfect,
      '--out',
      join(folder, 'partly-scores'),
      ...more,
    ];
    return samtrack(argv);
  };

  beforeAll(() => {
    for (const sequence of ['one', 'two', 'three']) writeFrames(join(partly, 'JPEGImages/480p', sequence), COUNT, SIZE);
    for (const [sequence, objects] of [
      ['one', 1],
      ['two', 2],
    ] as const) {
      const annotations = join(partly, 'Annotations/480p', sequence);
      mkdirSync(annotations, { recursive: true });
      for (const name of names) {
        if (sequence === 'one' || name !== names[2]) writeMask(join(annotations, name), makeMask(SIZE, objects));
      }
    }
  });

  it('says which pictures and sequences are not scored', async () => {
    const { status, err } = await scored();
    expect(status).toBe(0);
    expect(err.match(/^note: .*/gm)).toEqual([
      'note: two: 1 of 5 pictures have no annotation and are not scored, such as 00002',
      'note: three: has no annotations and is not scored',
    ]);
    const chosen = await scored('--sequences', 'one/');
    expect(chosen).toMatchObject({ status: 0, out: expect.stringMatching(/global_results-val-one\.csv$/m) });
    expect(chosen.err).not.toMatch(/note/);
  });

  it('counts no sequence twice', async () => {
    expect(await scored('--sequences', 'one,two,one')).toMatchObject({
      status: 2,
      err: expect.stringMatching(/--sequences names one twice/),
    });
    const twice = { root: partly, results: perfect, sequences: ['one', 'one'] };
    await expect(evaluateDavis(twice)).rejects.toMatchObject({ name: 'EvaluationError', code: 'bad-option' });
  });
});

describe('splits that only a server scores', () => {
  const hidden = join(folder, 'hidden');

  beforeAll(() => {
    for (const sequence of ['one', 'two']) {
      writeFrames(join(hidden, 'JPEGImages/480p', sequence), 3, SIZE);
      const annotations = join(hidden, 'Annotations/480p', sequence);
      mkdirSync(annotations, { recursive: true });
      writeMask(join(annotations, '00000.png'), makeMask(SIZE));
    }
    mkdirSync(join(hidden, 'ImageSets/2017'), { recursive: true });
    writeFileSync(join(hidden, 'ImageSets/2017/test-dev.txt'), 'one\ntwo\n');
  });
  const testDev = (...more: string[]) => [
    'eval',
    'davis',
    '--root',
    hidden,
    '--split',
    'test-dev',
    '--results',
    join(folder, 'test-dev'),
    ...more,
  ];

  it('test-dev: tracks, packs, and tracks nothing twice', async () => {
    const first = await samtrack(testDev('--run', '--weights', DEAOT_T_WEIGHTS));
    expect(first).toMatchObject({ status: 0, out: `${join(folder, 'test-dev.zip')}\n` });
    expect(first.err).toMatch(/^6 masks of 2 sequences, as the server wants them$/m);
    const archive = unzipSync(readFileSync(join(folder, 'test-dev.zip')));
    const inside = ['one', 'two'].flatMap((sequence) => names.slice(0, 3).map((name) => `${sequence}/${name}`));
    expect(Object.keys(archive)).toEqual(inside);

    const zip = join(folder, 'other.zip');
    const again = await samtrack(testDev('--run', '--weights', DEAOT_T_WEIGHTS, '--zip', zip));
    expect(again).toMatchObject({ status: 0, out: `${zip}\n` });
    expect(again.err).toMatch(/two \(2\/2\): done before/);
    expect(readFileSync(zip)).toEqual(readFileSync(join(folder, 'test-dev.zip')));
  });

  it('test-dev: refuses what the server would refuse, and scores', async () => {
    const alone = await samtrack(testDev('--sequences', 'one'));
    expect(alone).toMatchObject({ status: 1, err: expect.stringMatching(/submit the whole split/) });
    const scored = await samtrack(testDev('--json', 'x.json'));
    expect(scored).toMatchObject({
      status: 2,
      err: expect.stringMatching(/--json is for scores, which only the server/),
    });
  });

  it('YouTube-VOS: objects enter with their given masks; the listed frames are packed', async () => {
    const root = join(folder, 'youtube');
    writeFrames(join(root, 'JPEGImages/v'), 6, SIZE);
    mkdirSync(join(root, 'Annotations/v'), { recursive: true });
    const [first, second] = [makeMask(SIZE, 1), makeMask(SIZE)];
    writeMask(join(root, 'Annotations/v/00001.png'), { ...first, data: second.data.map((id) => (id === 1 ? 1 : 0)) });
    // The second object, at its first frame.
    writeMask(join(root, 'Annotations/v/00003.png'), { ...first, data: second.data.map((id) => (id === 2 ? 2 : 0)) });
    const objects = {
      1: { category: 'x', frames: ['00001', '00003', '00004'] },
      2: { category: 'y', frames: ['00003', '00004'] },
    };
    writeFileSync(join(root, 'meta.json'), JSON.stringify({ videos: { v: { objects } } }));
    const out = join(folder, 'yt');
    const argv = ['eval', 'youtube-vos', '--root', root, '--results', out, '--run', '--weights', DEAOT_T_WEIGHTS, '-q'];
    expect(await samtrack(argv)).toMatchObject({ status: 0, out: `${out}.zip\n` });
    // From the first listed frame to the last one, also those between.
    expect(readdirSync(join(out, 'v')).filter((name) => name.endsWith('.png'))).toEqual(names.slice(1, 5));
    const third = await readMask(join(out, 'v/00003.png'));
    for (let i = 0; i < second.data.length; i++) if (second.data[i] === 2) expect(third.data[i]).toBe(2);
    expect(Object.keys(unzipSync(readFileSync(`${out}.zip`)))).toEqual(
      ['00001', '00003', '00004'].map((name) => `Annotations/v/${name}.png`),
    );
  });
});

describe('scoring in threads', () => {
  let file: URL;
  beforeAll(async () => {
    const outfile = join(folder, 'score-worker.mjs');
    await build({
      entryPoints: [fileURLToPath(new URL('../../src/cli/eval/score-worker.ts', import.meta.url))],
      bundle: true,
      format: 'esm',
      platform: 'node',
      conditions: ['samtrack-source', 'node'],
      external: ['sharp', 'node-av', '@mediabunny/server'],
      outfile,
    });
    file = pathToFileURL(outfile);
  });

  it('gives the same report, whatever thread is done first', async () => {
    const options = { root, results: perfect, sequences: ['two', 'one'] };
    const pool = ScorePool.open(file)!;
    const done: number[] = [];
    const report = await evaluateDavis({
      ...options,
      jobs: 2,
      score: (task, signal) => pool.score(task, signal),
      onProgress: (progress) => done.push(progress.done),
    });
    await pool.close();
    expect(report).toEqual(await evaluateDavis(options));
    expect(done).toEqual([1, 2]);
  });

  it('passes errors on as they are, and stops', async () => {
    const pool = ScorePool.open(file)!;
    const options = { root, results: join(folder, 'nosuch'), jobs: 2, score: pool.score.bind(pool) };
    const error = await evaluateDavis(options).catch((cause) => cause);
    expect(error).toBeInstanceOf(EvaluationError);
    expect(error).toMatchObject({
      code: 'missing-result',
      message: expect.stringMatching(/nosuch\/(one|two)\/00001\.png: no such file$/),
    });
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(evaluateDavis({ ...options, results: perfect, signal })).rejects.toThrow('stopped');
    await pool.close();
  });

  it('needs the bundle: sources are scored in one thread', () => {
    expect(ScorePool.open()).toBeUndefined();
  });
});
