/** What people's files and options must never cost them, through the command line. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { beforeAll, describe, expect, it } from 'vitest';
import { type LabelMap, openVideo } from '../../src/io/index.js';
import { makeVideo } from '../io/media.js';
import { temporaryFolder } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS, makeMask, pixel, writeFrames, writeMask } from '../tracking/scene.js';
import { samtrack } from './run.js';

const SIZE = { width: 64, height: 48 };
const folder = temporaryFolder();
const at = (...parts: string[]) => join(folder, ...parts);
const track = (source: string, mask: string, out: string, ...more: string[]) =>
  samtrack(['track', source, '--mask', mask, '--out', out, '--weights', DEAOT_T_WEIGHTS, '--no-overlay', ...more]);

/** A world with frames, a mask, and things of the user's own where results would go. */
function world(name: string): string {
  const root = at(name);
  mkdirSync(root);
  writeFrames(join(root, 'frames'), 4, SIZE);
  writeMask(join(root, 'first.png'), makeMask(SIZE));
  return root;
}
const contents = (root: string) =>
  Object.fromEntries(
    (
      readdirSync(root, { recursive: true, withFileTypes: true }) as unknown as {
        name: string;
        parentPath: string;
        isFile(): boolean;
      }[]
    )
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), 'latin1')]),
  );

describe('samtrack track', () => {
  it('never writes among the frames of its source, through a link either', async () => {
    const root = world('source');
    symlinkSync('frames', join(root, 'link'));
    const before = contents(root);
    for (const [source, ...more] of [
      ['frames', '--format', 'frames'],
      ['link', '--format', 'frames', '--overwrite'],
    ] as const) {
      const { status, err } = await track(join(root, source), join(root, 'first.png'), root, ...more);
      expect({ status, err }).toEqual({
        status: 1,
        err: expect.stringMatching(/lies in .*, the source; choose another folder/),
      });
    }
    expect(contents(root)).toEqual(before);
  });

  it('leaves alone what it did not make, with --overwrite too', async () => {
    const root = world('foreign');
    mkdirSync(join(root, 'masks'));
    for (const file of ['coco.json', 'boxes.csv', 'masks/00002.png']) writeFileSync(join(root, file), 'mine');
    const before = contents(root);
    for (const more of [[], ['--overwrite'], ['--no-coco', '--overwrite']]) {
      const { status, err } = await track(join(root, 'frames'), join(root, 'first.png'), root, ...more);
      expect({ status, err }).toEqual({ status: 1, err: expect.stringMatching(/was not made by samtrack/) });
    }
    expect(contents(root)).toEqual(before);
  });

  it('takes no file for its folder', async () => {
    const root = world('file');
    const before = contents(root);
    for (const out of [join(root, 'first.png'), join(root, 'first.png', 'deep')]) {
      const { status, err } = await track(join(root, 'frames'), join(root, 'first.png'), out);
      expect({ status, err }).toEqual({ status: 1, err: expect.stringMatching(/a file is where a folder is needed/) });
    }
    expect(contents(root)).toEqual(before);
  });

  it('says what --overwrite deletes, and deletes no more', async () => {
    const root = world('overwrite');
    const out = join(root, 'out');
    expect(await track(join(root, 'frames'), join(root, 'first.png'), out, '--format', 'csv')).toMatchObject({
      status: 0,
    });
    writeFileSync(join(out, 'notes.txt'), 'mine');
    const again = await track(join(root, 'frames'), join(root, 'first.png'), out, '--overwrite', '--no-coco');
    expect(again).toMatchObject({
      status: 0,
      err: expect.stringMatching(
        /deleting what an earlier run made in .*out: boxes\.csv, coco\.json, 4 files in masks\//,
      ),
    });
    expect(readdirSync(out).sort()).toEqual(['masks', 'notes.txt', 'run.json']);
  });

  it('takes a mask among the frames for a mask, and counts what it has done', async () => {
    const root = world('among');
    cpSync(join(root, 'first.png'), join(root, 'frames/mask.png'));
    const { status, err } = await track(join(root, 'frames'), join(root, 'frames/mask.png'), join(root, 'out'));
    expect(status).toBe(0);
    expect(err).toMatch(/frames\/mask\.png is the mask, and no frame/);
    expect(err).toMatch(/frames\/mask\.png: 2 objects/);
    expect(err).toMatch(/^4 of 4 frames have masks$/m);
    expect(readdirSync(join(root, 'out/masks'))).toHaveLength(4);
  });

  it('goes on only with the content it began with', async () => {
    const root = world('resume');
    const [frames, mask, out] = ['frames', 'first.png', 'out'].map((name) => join(root, name)) as [
      string,
      string,
      string,
    ];
    let stopped = false;
    const { status } = await samtrack(
      ['track', frames, '--mask', mask, '--out', out, '--weights', DEAOT_T_WEIGHTS, '--no-overlay'],
      (text) => {
        if (!stopped && text.startsWith('frame 2/')) stopped = process.emit('SIGTERM');
      },
    );
    // As a shell says it of SIGTERM.
    expect(status).toBe(143);
    expect(existsSync(join(out, 'coco.json'))).toBe(true);
    const kept = contents(out);
    const good = readFileSync(mask);
    writeMask(mask, makeMask(SIZE, 1));
    expect(await track(frames, mask, out, '--resume')).toMatchObject({
      status: 1,
      err: expect.stringMatching(/mask "first\.png" has other content than it had/),
    });
    writeFileSync(mask, good);
    const third = readFileSync(join(frames, '00003.png'));
    cpSync(join(frames, '00000.png'), join(frames, '00003.png'));
    expect(await track(frames, mask, out, '--resume')).toMatchObject({
      status: 1,
      err: expect.stringMatching(/source "frames" has other content/),
    });
    expect(contents(out)).toEqual(kept);
    writeFileSync(join(frames, '00003.png'), third);
    expect(await track(frames, mask, out, '--resume')).toMatchObject({ status: 0 });
  });

  it('does not go on with a project of other masks', async () => {
    const root = world('project');
    const [frames, mask] = ['frames', 'first.png'].map((name) => join(root, name)) as [string, string];
    const project = ['--project', join(root, 'p.samtrack'), '--quiet'];
    expect(await track(frames, mask, join(root, 'out'), ...project)).toMatchObject({ status: 0 });
    writeMask(mask, makeMask(SIZE, 1));
    expect(await track(frames, mask, join(root, 'out'), ...project)).toMatchObject({
      status: 1,
      err: expect.stringMatching(/p\.samtrack: it began with other masks than those of .*first\.png/),
    });
  });

  it('reads a mask as it is told to', async () => {
    const root = world('reading');
    const data = Uint8Array.from(
      { length: SIZE.width * SIZE.height },
      (_, i) => [0, 1, 100, 255][(i % SIZE.width) >> 4]!,
    );
    writeFileSync(join(root, 'odd.png'), encode({ ...SIZE, channels: 1, depth: 8, data }));
    const run = (...more: string[]) =>
      track(join(root, 'frames'), join(root, 'odd.png'), join(root, 'out'), '--to', '1', ...more);
    expect(await run()).toMatchObject({
      status: 1,
      err: expect.stringMatching(/255 may be void or an object; --mask-as labels/),
    });
    expect(await run('--mask-as', 'words')).toMatchObject({ status: 2 });
    expect(await run('--mask-as', 'labels')).toMatchObject({
      status: 0,
      err: expect.stringMatching(/odd\.png: 3 objects/),
    });
  });
});

describe('samtrack export', () => {
  it('counts frames without masks and masks without frames, and fails unless that is accepted', async () => {
    const root = world('counts');
    mkdirSync(join(root, 'masks'));
    for (const name of ['00000', '00001', '00009']) writeMask(join(root, 'masks', `${name}.png`), makeMask(SIZE));
    const run = (...more: string[]) =>
      samtrack([
        'export',
        root,
        '--source',
        join(root, 'frames'),
        '--format',
        'csv',
        '--out',
        join(root, 'out'),
        ...more,
      ]);
    expect(await run()).toMatchObject({
      status: 1,
      err: expect.stringMatching(
        /2 frames exported; 2 frames without a mask: 00002, 00003; 1 masks without a frame: 00009\. --partial/,
      ),
    });
    const partial = await run('--partial', '--json');
    expect(partial.status).toBe(0);
    expect(JSON.parse(partial.out)).toMatchObject({
      frames: 2,
      complete: false,
      framesWithoutMask: ['00002', '00003'],
      masksWithoutFrame: ['00009'],
    });
  });

  it('passes over broken frames that have no mask, and no others', async () => {
    const root = world('broken');
    mkdirSync(join(root, 'masks'));
    for (const name of ['00000', '00002']) writeMask(join(root, 'masks', `${name}.png`), makeMask(SIZE));
    const run = (...more: string[]) => {
      const out = ['--out', join(root, `out-${more.length}`)];
      return samtrack(['export', root, '--source', join(root, 'frames'), '--format', 'csv', ...out, ...more]);
    };
    for (const name of ['00001', '00003']) writeFileSync(join(root, 'frames', `${name}.png`), 'no picture');
    expect(await run('--partial')).toMatchObject({
      status: 0,
      err: expect.stringMatching(/2 frames exported; 2 frames without a mask: 00001, 00003/),
    });
    writeFileSync(join(root, 'frames', '00002.png'), 'no picture');
    expect(await run('--partial', '--json')).toMatchObject({ status: 1, err: expect.stringMatching(/00002\.png/) });
  });

  it('does not write over what it reads', async () => {
    const root = world('over');
    mkdirSync(join(root, 'davis'));
    for (const i of [0, 1, 2, 3]) writeMask(join(root, 'davis', `0000${i}.png`), makeMask(SIZE));
    const before = contents(root);
    const argv = ['export', join(root, 'davis'), '--source', join(root, 'frames'), '--format', 'davis', '--out', root];
    expect(await samtrack(argv)).toMatchObject({ status: 1, err: expect.stringMatching(/is a mask that is exported/) });
    expect(contents(root)).toEqual(before);
  });
});

describe('samtrack eval davis', () => {
  const binary = at('binary');
  const numbered = at('numbered');
  const annotate = (root: string, sequence: string, map: LabelMap, grey: boolean) => {
    writeFrames(join(root, 'JPEGImages/480p', sequence), 4, SIZE);
    const annotations = join(root, 'Annotations/480p', sequence);
    mkdirSync(annotations, { recursive: true });
    for (const name of readdirSync(join(root, 'JPEGImages/480p', sequence))) {
      const file = join(annotations, name.replace(/\w+$/, 'png'));
      if (!grey) writeMask(file, map);
      else {
        const data = Uint8Array.from(map.data, (id) => (id ? 255 : 0));
        writeFileSync(file, encode({ ...SIZE, channels: 1, depth: 8, data }));
      }
    }
  };
  beforeAll(() => {
    annotate(binary, 'one', makeMask(SIZE), true);
    annotate(numbered, 'one', makeMask(SIZE), false);
    annotate(numbered, 'two', makeMask(SIZE, 1), false);
    writeFileSync(join(numbered, 'Annotations/480p/one/._00000.png'), 'no picture');
    writeFileSync(join(numbered, 'Annotations/480p/Thumbs.db'), 'no folder');
  });
  const evaluate = (root: string, ...more: string[]) => samtrack(['eval', 'davis', '--root', root, ...more]);

  it('sees the year by the annotations, and refuses another one before anything is tracked', async () => {
    const results = join(binary, 'Annotations/480p');
    const seen = await evaluate(binary, '--results', results, '--out', at('scores-2016'));
    expect(seen).toMatchObject({
      status: 0,
      err: expect.stringMatching(/holds 0 and 255 only, as annotations of DAVIS-2016/),
    });
    expect(seen.out).toMatch(/^all objects +1\.000/m);
    const wrong = await evaluate(
      binary,
      '--run',
      '--results',
      at('never'),
      '--year',
      '2017',
      '--weights',
      DEAOT_T_WEIGHTS,
    );
    expect(wrong).toMatchObject({
      status: 2,
      err: expect.stringMatching(/it is of DAVIS-2016, not 2017; use --year 2016/),
    });
    expect(existsSync(at('never'))).toBe(false);
  });

  it('passes over hidden and stray files, and keeps the scores of some sequences apart', async () => {
    const out = at('scores');
    const results = ['--results', join(numbered, 'Annotations/480p'), '--out', out];
    expect(await evaluate(numbered, ...results)).toMatchObject({ status: 0 });
    const whole = readFileSync(join(out, 'per-sequence_results-val.csv'), 'utf8');
    expect(await evaluate(numbered, ...results, '--sequences', 'one')).toMatchObject({ status: 0 });
    expect(readFileSync(join(out, 'per-sequence_results-val.csv'), 'utf8')).toBe(whole);
    expect(readFileSync(join(out, 'per-sequence_results-val-one.csv'), 'utf8')).not.toMatch(/two/);
  });

  it('never tracks into the annotations', async () => {
    const before = contents(numbered);
    const annotations = join(numbered, 'Annotations/480p');
    const argv = ['--results', annotations, '--run', '--overwrite', '--weights', DEAOT_T_WEIGHTS];
    expect(await evaluate(numbered, ...argv)).toMatchObject({
      status: 1,
      err: expect.stringMatching(/part of the data set/),
    });
    expect(await evaluate(numbered, '--results', annotations)).toMatchObject({ status: 1 });
    expect(contents(numbered)).toEqual(before);
  });

  it('tells what is missing, and how fast it was', async () => {
    const results = at('timed');
    expect(await evaluate(numbered, '--results', results, '--sequences', 'one')).toMatchObject({
      status: 1,
      err: expect.stringMatching(/no such file; --run tracks the sequences first/),
    });
    const json = at('timed.json');
    const argv = ['--run', '--results', results, '--json', json, '--weights', DEAOT_T_WEIGHTS];
    expect(await evaluate(numbered, ...argv)).toMatchObject({
      status: 0,
      err: expect.stringMatching(/tracked at [\d.]+ frames per second/),
    });
    const report = JSON.parse(readFileSync(json, 'utf8'));
    expect(report.timing).toMatchObject({
      frames: 6,
      seconds: expect.any(Number),
      framesPerSecond: expect.any(Number),
    });
    expect(report.sequences[0].timing.frames).toBe(3);
    const table = (kind: string) =>
      readFileSync(join(results, `${kind}-val.csv`), 'utf8')
        .trim()
        .split('\n');
    // The scores are those of any machine, byte for byte; times are not, and stand by themselves.
    expect(table('global_results')[0]).toMatch(/F-Decay$/);
    expect(table('per-sequence_results')[0]).toBe('Sequence,J-Mean,F-Mean');
    const times = table('timing').map((row) => row.split(',').slice(0, 2));
    expect(times).toEqual([
      ['Sequence', 'Frames'],
      ['one', '3'],
      ['two', '3'],
      ['all', '6'],
    ]);
  });
});

it('gives the overlay of a range the sound of the range', async () => {
  const video = at('sound.mp4');
  await makeVideo(video, { ...SIZE, times: Array.from({ length: 25 }, (_, i) => i / 25), audio: 'aac', pixel });
  writeMask(at('sound.png'), makeMask(SIZE));
  const argv = ['track', video, '--mask', at('sound.png'), '--out', at('sound'), '--weights', DEAOT_T_WEIGHTS];
  expect(await samtrack([...argv, '--from', '20', '--to', '23', '--no-coco'])).toMatchObject({
    status: 0,
    err: expect.stringMatching(/^3 of 3 frames of the range have masks \(25 in the source\)$/m),
  });
  const overlay = await openVideo(at('sound/overlay.mp4'));
  expect(overlay.frameCount).toBe(3);
  expect(overlay.timestamps[0]).toBe(0);
  const end = await overlay.audio!.computeDuration();
  expect(end).toBeGreaterThan(0.05);
  // AAC packets last 21 ms.
  expect(end).toBeLessThan(0.12 + 0.022);
  await overlay.close();
});
