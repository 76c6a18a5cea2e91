import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { deaotManifest } from '../../../models/test/fixtures/deaot/manifest.js';
import { reproductionTable } from '../../src/cli/reproduce/index.js';
import { reproducibleRows } from '../../src/cli/reproduce/rows.js';
import { temporaryFolder } from '../io/temporary.js';
import { makeMask, writeFrames, writeMask } from '../tracking/scene.js';
import { samtrack } from './run.js';

const SIZE = { width: 64, height: 48 };
const COUNT = 4;
const folder = temporaryFolder();
const root = join(folder, 'DAVIS');
const testDev = join(folder, 'test-dev');
const out = join(folder, 'out');

/** A little DAVIS: two sequences in both years. Of test-dev, first masks only. */
beforeAll(() => {
  vi.stubEnv('SAMTRACK_CACHE', join(folder, 'cache'));
  const annotate = (of: string, sequence: string, objects: number, masks: number) => {
    writeFrames(join(of, 'JPEGImages/480p', sequence), COUNT, SIZE);
    const annotations = join(of, 'Annotations/480p', sequence);
    mkdirSync(annotations, { recursive: true });
    for (let i = 0; i < masks; i++) writeMask(join(annotations, `0000${i}.png`), makeMask(SIZE, objects));
  };
  annotate(root, 'one', 1, COUNT);
  annotate(root, 'two', 2, COUNT);
  for (const name of ['hidden', 'secret']) annotate(testDev, name, 2, 1);
  for (const [of, year, split, names] of [
    [root, 2016, 'val', 'one\n'],
    [root, 2017, 'val', 'one\ntwo\n'],
    [testDev, 2017, 'test-dev', 'hidden\nsecret\n'],
  ] as const) {
    mkdirSync(join(of, 'ImageSets', String(year)), { recursive: true });
    writeFileSync(join(of, 'ImageSets', String(year), `${split}.txt`), names);
  }
});

const reproduce = (...more: string[]) => ['reproduce', '--davis', root, '--out', out, ...more];

describe('samtrack reproduce', () => {
  it('tracks and scores a data set with the default weights, goes on after Ctrl-C, and repeats nothing', async () => {
    let pressed = false;
    const own = reproduce('--weights', 'own', '--init', 'masks');
    const stopped = await samtrack(own, (text) => {
      if (!pressed && text.startsWith('two (2/2): frame 3/')) pressed = process.emit('SIGINT');
    });
    expect(stopped).toMatchObject({ status: 130, out: '' });
    const mask = join(out, 'deaot-t-own-weights-masks', '2016-val', 'one', '00003.png');
    const written = statSync(mask).mtimeMs;
    const done = await samtrack(own);
    expect(done).toMatchObject({ status: 0 });
    expect(statSync(mask).mtimeMs).toBe(written);
    const [header, first, second, file] = done.out.trim().split('\n');
    expect(header).toMatch(/^row +data +J&F +J +F +published +difference$/);
    expect(first).toMatch(/^deaot-t \(own weights\), masks +DAVIS 2016 val( +\d+\.\d){3} +- +- +1 sequences of 20$/);
    expect(second).toMatch(/DAVIS 2017 val( +\d+\.\d){3} +- +- +2 sequences of 30$/);
    const { rows } = JSON.parse(readFileSync(file!, 'utf8'));
    expect(rows).toHaveLength(2);
    const jf = Number(/val +(\d+\.\d)/.exec(second!)![1]);
    expect(rows[1].scores.jf).toBeCloseTo(jf, 1);
  });

  it('says why rows are left out: no weights, no data', async () => {
    const { status, out: table } = await samtrack(reproduce('--models', 'r50-deaot-l', '--init', 'masks'));
    expect(status).toBe(1);
    expect(table).toMatch(/DAVIS 2016 val .* 92\.3 +- +left out: no R50_DeAOTL_PRE_YTB_DAV\.pth in the cache; --fetch/);
    expect(table).toMatch(/DAVIS 2017 test-dev .* 80\.7 +- +left out: no --test-dev/);
  });

  it('prints published numbers and the difference where official weights are, and packs for the server', async () => {
    // The official checkpoint's place is taken by weights of the same shape.
    mkdirSync(join(folder, 'cache'), { recursive: true });
    writeFileSync(join(folder, 'cache', 'DeAOTS_PRE_YTB_DAV.pth'), JSON.stringify(deaotManifest({ layers: 2 })));
    const { status, out: table, err } = await samtrack(reproduce('--models', 'deaot-s', '--test-dev', testDev));
    expect(status, err).toBe(0);
    expect(table).toMatch(
      /^deaot-s, masks +DAVIS 2017 test-dev +- +- +- +75\.4 +- +2 sequences of 30; for the server: .*\.zip$/m,
    );
    rmSync(join(folder, 'cache'), { recursive: true });
  });

  it('prints the difference from the published number', () => {
    const row = reproducibleRows().find(
      ({ initialisation, benchmark }) => initialisation === 'clicks' && benchmark.year === 2016,
    )!;
    const table = reproductionTable([{ row, sequences: 20, scores: { jf: 91.25, j: 89.5, f: 93 } }]);
    expect(table.split('\n')[1]).toMatch(/^r50-deaot-l, clicks +DAVIS 2016 val +91\.3 +89\.5 +93\.0 +92\.0 +-0\.8$/);
  });

  it('finds what is missing in the data before it begins', async () => {
    const broken = join(folder, 'broken');
    for (const part of ['ImageSets/2017', 'Annotations/480p']) mkdirSync(join(broken, part), { recursive: true });
    writeFileSync(join(broken, 'ImageSets/2017/val.txt'), 'one\n');
    const { status, err } = await samtrack(['reproduce', '--davis', broken, '--weights', 'own', '--init', 'masks']);
    expect(status).toBe(1);
    expect(err).toContain('one: no pictures');
  });

  it.each([
    [[], /needs --davis/],
    [['--davis', 'd', '--models', 'aot'], /no "aot"; there are deaot-t/],
    [['--davis', 'd', '--init', 'boxes'], /--init is one of masks, clicks, not "boxes"/],
    [['--davis', 'd', '--models', 'deaot-s', '--weights', 'own'], /no published number/],
  ])('refuses %j', async (argv, message) => {
    const { status, err } = await samtrack(['reproduce', ...argv]);
    expect(status).toBe(2);
    expect(err).toMatch(message);
  });
});
