import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encode } from 'fast-png';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Detector } from '../../src/assist/index.js';
import { decodeLabelPng, encodeLabelPng, labelIds } from '../../src/io/index.js';
import { type Actor, COLOURS, colourSegmenter, frameOf, iouOf, truthOf } from '../discovery/clip.js';
import { temporaryFolder } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS } from '../tracking/scene.js';
import { samtrack } from './run.js';

/** Finds the boxes of actors by their pixels; a real one would need weights that cannot come with the tests. */
const detector = (): Detector => ({
  name: 'told',
  async detect(image) {
    const records = await colourSegmenter().everything(image);
    return records.map(({ mask }) => {
      let position = 0;
      let [x0, y0, x1, y1] = [image.width, image.height, 0, 0];
      for (const [i, count] of mask.counts.entries()) {
        for (let p = position; i & 1 && p < position + count; p++) {
          const [x, y] = [Math.floor(p / image.height), p % image.height];
          [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x + 1), Math.max(y1, y + 1)];
        }
        position += count;
      }
      return { box: [x0, y0, x1, y1] as const, label: 'ball', score: 0.5 };
    });
  },
  dispose() {},
});

vi.mock('../../src/cli/common/assistants.js', async (original) => ({
  ...(await original<object>()),
  segmenterSettings: () => ({ name: 'colours', weights: fileURLToPath(import.meta.url) }),
  detectorSettings: () => ({ name: 'told', weights: fileURLToPath(import.meta.url) }),
  loadSegmenter: () => colourSegmenter(),
  loadDetector: () => detector(),
}));

const ACTORS: readonly Actor[] = [
  { enters: 0, at: [190, 95], by: [-2, 0], radius: 22, colour: COLOURS[1] },
  { enters: 3, at: [50, 40], by: [3, 0], radius: 18, colour: COLOURS[0] },
];
const COUNT = 8;
const folder = temporaryFolder();
const at = (...parts: string[]) => join(folder, ...parts);
const track = (out: string, ...more: string[]) => ['track', at('clip'), '--out', at(out), '--no-overlay', ...more];
const json = (...parts: string[]) => JSON.parse(readFileSync(at(...parts), 'utf8'));
const maskOf = (out: string, i: number) => decodeLabelPng(readFileSync(at(out, 'masks', `0000${i}.png`)), 'x');

beforeAll(() => {
  mkdirSync(at('clip'));
  for (let i = 0; i < COUNT; i++) {
    const { width, height, rgba: data, name } = frameOf(ACTORS, i);
    writeFileSync(at('clip', `${name}.png`), encode({ width, height, channels: 4, depth: 8, data }));
  }
  writeFileSync(at('first.png'), encodeLabelPng(truthOf(ACTORS, 0)));
});

describe('samtrack track --mode', () => {
  const automatic = (out: string, ...more: string[]) =>
    track(out, '--mode', 'automatic', '--everything', '--every', '4', ...more);

  it('automatic: finds objects, says so, and writes them down', async () => {
    const { status, out, err } = await samtrack(automatic('auto', '--format', 'csv,new-objects', '--format', 'mots'));
    expect(status).toBe(0);
    expect(out.trim().split('\n')).toEqual(
      ['masks', 'coco.json', 'boxes.csv', 'new-objects', 'mots.txt', 'objects.json', 'run.json'].map((name) =>
        at('auto', name),
      ),
    );
    expect(err).toMatch(/clip: 240x136, 8 frames, objects to be found; deaot-t on /);
    expect(err.match(/^frame \d+: new .*$/gm)).toEqual(['frame 00000: new 1', 'frame 00004: new 2']);
    expect(json('auto/objects.json').objects).toMatchObject([
      { id: 1, source: 'everything', frame: 0, frameName: '00000' },
      { id: 2, source: 'everything', frame: 4, frameName: '00004' },
    ]);
    expect(readdirSync(at('auto/new-objects')).sort()).toEqual(['00000.png', '00004.png']);
    for (const [i, ids] of [
      [0, [1]],
      [4, [1, 2]],
      [7, [1, 2]],
    ] as const) {
      expect(labelIds(maskOf('auto', i))).toEqual(ids);
      for (const id of ids) expect(iouOf(maskOf('auto', i), id, truthOf(ACTORS, i), id)).toBeGreaterThan(0.75);
    }
  });

  it('fusion by classes: labels reach every format, and a resumed run comes to the same', async () => {
    const argv = (out: string, ...more: string[]) =>
      track(
        out,
        '--mode',
        'fusion',
        '--mask',
        at('first.png'),
        '--classes',
        'ball',
        '--every',
        '4',
        '--format',
        'csv',
        ...more,
      );
    expect(await samtrack(argv('fusion'))).toMatchObject({ status: 0 });
    expect(json('fusion/objects.json').objects).toMatchObject([
      { id: 1, source: 'mask', frame: 0 },
      { id: 2, source: 'text', label: 'ball', score: 0.5, frame: 4 },
    ]);
    const rows = (out: string) => readFileSync(at(out, 'boxes.csv'), 'utf8').trim().split('\n');
    expect(rows('fusion').filter((row) => row.includes('ball'))).toHaveLength(4);
    expect(rows('fusion').at(-1)).toMatch(/^7,00007,0\.291667,2,ball,ball 2,/);
    expect(json('fusion/coco.json').categories.map(({ name }: { name: string }) => name)).toEqual(['object', 'ball']);

    let pressed = false;
    const stopped = await samtrack(argv('resumed'), (text) => {
      if (!pressed && text.startsWith('frame 6/')) pressed = process.emit('SIGINT');
    });
    expect(stopped.status).toBe(130);
    // As if the program had been killed before the last masks were written.
    for (const i of [4, 5, 6, 7]) rmSync(at('resumed/masks', `0000${i}.png`), { force: true });
    expect(await samtrack(argv('resumed', '--resume'))).toMatchObject({ status: 0 });
    expect(json('resumed/objects.json')).toEqual(json('fusion/objects.json'));
    expect(rows('resumed').map((row) => row.split(',')[3])).toEqual(rows('fusion').map((row) => row.split(',')[3]));
  });

  it('review: adds nothing and lists the candidates', async () => {
    const { status, out } = await samtrack(automatic('review', '--review', '--no-coco'));
    expect(status).toBe(0);
    expect(out).toContain(at('review/candidates.json'));
    const { candidates } = json('review/candidates.json');
    expect(candidates).toMatchObject([
      { key: 1, firstFrame: 0, frame: 4, seen: 2 },
      { key: 2, firstFrame: 4, frame: 4, seen: 1 },
    ]);
    expect(candidates[0].mask.size).toEqual([136, 240]);
    expect(labelIds(maskOf('review', 7))).toEqual([]);
  });

  it('is off unless asked for', async () => {
    const { status } = await samtrack(track('off', '--mask', at('first.png'), '--to', '6', '--no-coco'));
    expect(status).toBe(0);
    expect(labelIds(maskOf('off', 5))).toEqual([1]);
    expect(existsSync(at('off/objects.json'))).toBe(false);
  });

  it.each<[message: RegExp, argv: string[]]>([
    [/--every is for finding new objects: add --mode/, ['--mask', 'x.png', '--every', '5']],
    [/--segmenter is for finding new objects/, ['--mask', 'x.png', '--segmenter', 'sam-vit-b']],
    [/--mode automatic needs one of --everything, --text and --classes/, ['--mode', 'automatic']],
    [/needs one of/, ['--mode', 'fusion', '--everything', '--text', 'dog']],
    [/finds the objects of the first frame itself/, ['--mode', 'automatic', '--everything', '--mask', 'x.png']],
    [
      /--box-threshold goes with --text or --classes/,
      ['--mode', 'automatic', '--everything', '--box-threshold', '0.3'],
    ],
    [/--points-per-side goes with --everything/, ['--mode', 'automatic', '--text', 'dog', '--points-per-side', '8']],
    [/--cmr-threshold needs a number from 0 to 1/, ['--mode', 'automatic', '--everything', '--cmr-threshold', '2']],
    [/--max-objects goes up to 65535/, ['--mode', 'automatic', '--everything', '--max-objects', '70000']],
    [/--class-cap is NAME=N, not "dog"/, ['--mode', 'automatic', '--text', 'dog', '--class-cap', 'dog']],
    [/--format is one of davis, .*, not "avi"/, ['--mask', 'x.png', '--format', 'csv,avi']],
    [/--bits is one of 8, 16/, ['--mask', 'x.png', '--bits', '12']],
  ])('wrong usage: %s', async (message, argv) => {
    const { status, err } = await samtrack(track('none', ...argv));
    expect(status).toBe(2);
    expect(err).toMatch(message);
    expect(existsSync(at('none'))).toBe(false);
  });
});

describe('more than 255 objects', () => {
  const [width, height, objects] = [80, 64, 260];
  /** Objects of 4x4 pixels, one beside the other. */
  const map = {
    width,
    height,
    data: Uint16Array.from({ length: width * height }, (_, i) => {
      const id = Math.floor(i / width / 4) * 20 + Math.floor((i % width) / 4) + 1;
      return id <= objects ? id : 0;
    }),
  };
  const many = (out: string, ...more: string[]) => [
    'track',
    at('many'),
    '--mask',
    at('many.png'),
    '--out',
    at(out),
    '--no-overlay',
    '--quiet',
    ...more,
  ];

  beforeAll(() => {
    mkdirSync(at('many'));
    const data = new Uint8Array(width * height * 4).fill(255);
    for (let i = 0; i < map.data.length; i++) data.fill((37 * map.data[i]!) % 256, 4 * i, 4 * i + 3);
    for (const i of [0, 1])
      writeFileSync(at('many', `${i}.png`), encode({ width, height, channels: 4, depth: 8, data }));
    writeFileSync(at('many.png'), encodeLabelPng(map));
  });

  it('are tracked and written with 16 bits', async () => {
    expect(await samtrack(many('wide', '--weights', DEAOT_T_WEIGHTS))).toMatchObject({ status: 0 });
    const [first, second] = [0, 1].map((i) => decodeLabelPng(readFileSync(at('wide/masks', `${i}.png`)), 'x'));
    expect(first).toEqual(map);
    expect(Math.max(...labelIds(second!))).toBeLessThanOrEqual(objects);
    expect(json('wide/coco.json').objects.at(-1).id).toBe(objects);
  });

  it('are refused where 8 bits are asked for', async () => {
    const { status, err } = await samtrack(many('narrow', '--weights', DEAOT_T_WEIGHTS, '--bits', '8'));
    expect(status).toBe(1);
    expect(err).toMatch(/masks\/0\.png: object id 260 does not fit an 8-bit palette PNG \(255 ids at most\)/);
    expect(existsSync(at('narrow/masks'))).toBe(false);
  });
});

describe('samtrack eval --clicks', () => {
  it('begins with masks from clicks', async () => {
    const root = at('DAVIS');
    for (const kind of ['JPEGImages', 'Annotations']) mkdirSync(join(root, kind, '480p/balls'), { recursive: true });
    for (let i = 0; i < 3; i++) {
      const { width, height, rgba: data, name } = frameOf(ACTORS, i);
      writeFileSync(
        join(root, 'JPEGImages/480p/balls', `${name}.png`),
        encode({ width, height, channels: 4, depth: 8, data }),
      );
      writeFileSync(join(root, 'Annotations/480p/balls', `${name}.png`), encodeLabelPng(truthOf(ACTORS, i)));
    }
    const { status, out, err } = await samtrack([
      ...['eval', 'davis', '--root', root, '--results', at('clicked'), '--run', '--clicks', '2'],
    ]);
    expect({ status, err }).toMatchObject({
      status: 0,
      err: expect.stringMatching(/balls \(1\/1\): object: clicks, IoU of its mask: 1: 1, 1\.000/),
    });
    expect(out).toMatch(/^balls +0\.9/m);
    expect(json('clicked/balls/run.json').identity).toMatchObject({ clicks: 2, segmenter: { name: 'modes.test.ts' } });
  });
});

describe('samtrack export', () => {
  it('writes what a run left in other formats, with the classes of its objects', async () => {
    const { status, out } = await samtrack([
      'export',
      at('fusion'),
      '--source',
      at('clip'),
      '--format',
      'gif,youtube-vos,csv',
      '--out',
      at('more'),
    ]);
    expect(status).toBe(0);
    expect(out.trim().split('\n')).toEqual(['overlay.gif', 'youtube-vos', 'boxes.csv'].map((name) => at('more', name)));
    expect(readFileSync(at('more/boxes.csv'), 'utf8')).toBe(readFileSync(at('fusion/boxes.csv'), 'utf8'));
    expect(json('more/youtube-vos/meta.json').videos.clip.objects['2']).toEqual({
      category: 'ball',
      frames: ['00004', '00005', '00006', '00007'],
    });
  });

  it.each<[status: number, message: RegExp, argv: string[]]>([
    [2, /export takes one folder of results, not 0/, []],
    [2, /export needs --source/, ['fusion', '--format', 'csv']],
    [2, /export needs --format/, ['fusion', '--source', 'clip']],
    [2, /--format is one of/, ['fusion', '--source', 'clip', '--format', 'x']],
    [1, /nosuch: no such folder, or an empty one/, ['nosuch', '--source', 'clip', '--format', 'csv']],
  ])('fails with %i: %s', async (status, message, argv) => {
    const paths = argv.map((word) => (['fusion', 'nosuch', 'clip'].includes(word) ? at(word) : word));
    expect(await samtrack(['export', ...paths])).toMatchObject({ status, err: expect.stringMatching(message) });
    expect(existsSync(at('nosuch'))).toBe(false);
  });
});
