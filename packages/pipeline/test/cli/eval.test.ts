import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readMask } from '../../src/io/index.js';
import { temporaryFolder } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS, makeMask, writeFrames, writeMask } from '../tracking/scene.js';
import { samtrack } from './run.js';

const SIZE = { width: 64, height: 48 };
const COUNT = 5;
const folder = temporaryFolder();
const root = join(folder, 'DAVIS');
const names = Array.from({ length: COUNT }, (_, i) => `0000${i}.png`);
const results = join(folder, 'results');
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
  }
  mkdirSync(join(root, 'ImageSets/2017'), { recursive: true });
  writeFileSync(join(root, 'ImageSets/2017/val.txt'), 'one\ntwo\n');
});

describe('samtrack eval davis', () => {
  it('scores results and writes the official files', async () => {
    const perfect = join(folder, 'perfect');
    for (const [sequence, objects] of [
      ['one', 1],
      ['two', 2],
    ] as const) {
      mkdirSync(join(perfect, sequence), { recursive: true });
      // The second object of `two` is missing.
      const found = makeMask(SIZE, objects);
      found.data = found.data.map((id) => (id === 2 ? 0 : id));
      for (const name of names) writeMask(join(perfect, sequence, name), found);
    }
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
    expect(other).toMatchObject({ status: 1, err: expect.stringMatching(/longEdge was null and is now 49/) });
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
  ])('names %s', async (_, argv, message) => {
    const { status, err } = await samtrack(argv);
    expect(status).toBe(1);
    expect(err).toMatch(message);
    expect(err).not.toMatch(/^ +at /m);
  });
});
