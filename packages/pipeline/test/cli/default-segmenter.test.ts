/** Commands with the segmenter that comes with samtrack, as nobody asked for another one, on the CPU engine. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { beforeAll, expect, it } from 'vitest';
import { decodeLabelPng, encodeLabelPng } from '../../src/io/index.js';
import { type Actor, COLOURS, frameOf, iouOf, truthOf } from '../discovery/clip.js';
import { temporaryFolder } from '../io/temporary.js';
import { samtrack } from './run.js';

const ACTORS: readonly Actor[] = [
  { enters: 0, at: [70, 60], by: [3, 0], radius: 30, colour: COLOURS[0] },
  { enters: 0, at: [180, 80], by: [-2, 1], radius: 22, colour: COLOURS[1] },
];
const folder = temporaryFolder();
const at = (...parts: string[]) => join(folder, ...parts);
const CPU = ['--engine', 'cpu', '--quiet'];
const frames = at('DAVIS/JPEGImages/480p/discs');
const masks = at('DAVIS/Annotations/480p/discs');

beforeAll(() => {
  for (const path of [frames, masks]) mkdirSync(path, { recursive: true });
  for (let i = 0; i < 3; i++) {
    const { width, height, rgba: data, name } = frameOf(ACTORS, i);
    writeFileSync(join(frames, `${name}.png`), encode({ width, height, channels: 4, depth: 8, data }));
    writeFileSync(join(masks, `${name}.png`), encodeLabelPng(truthOf(ACTORS, i)));
  }
});

it('track follows what is clicked, and what is in a box', async () => {
  const prompts = ['--object', 'red', '--point', '70,60', '--object', 'green', '--box', '158,58,203,103'];
  expect(await samtrack(['track', frames, ...prompts, '--out', at('out'), ...CPU])).toMatchObject({ status: 0 });
  for (let i = 0; i < 3; i++) {
    const found = decodeLabelPng(readFileSync(at('out/masks', `0000${i}.png`)), 'x');
    for (const id of [1, 2]) expect(iouOf(found, id, truthOf(ACTORS, i), id), `${i}, ${id}`).toBeGreaterThan(0.8);
  }
});

it('segment writes the mask of a click', async () => {
  const argv = ['segment', join(frames, '00000.png'), '--points', '70,60', '--out', at('mask'), ...CPU];
  const { status, out } = await samtrack(argv);
  expect(status).toBe(0);
  const area = truthOf(ACTORS, 0).data.filter((id) => id === 1).length;
  expect(Math.abs(Number(out.split('\t')[1]) - area) / area).toBeLessThan(0.2);
});

it('segment refuses what lies outside of the image, also beside what lies in it, and takes the options of track', async () => {
  const image = join(frames, '00000.png');
  const run = (...argv: string[]) => samtrack(['segment', image, ...argv, '--out', at('clicks'), ...CPU]);
  for (const argv of [
    ['--points', '70,60 900,900,0'],
    ['--box', '40,30,100,90', '--points', '900,900'],
  ]) {
    const refused = { status: 1, err: expect.stringMatching(/point \d at 900,900, outside the image/) };
    expect(await run(...argv), argv.join(' ')).toMatchObject(refused);
  }
  const list = await run('--points', '70,60 180,80,0');
  expect(list.status).toBe(0);
  expect(await run('--point', '70,60', '--point', '180,80,0')).toEqual(list);
});

it('eval clicks scores clicks on every object, and boxes', async () => {
  const argv = ['eval', 'clicks', '--root', at('DAVIS'), '--clicks', '1,3', ...CPU];
  const { status, out } = await samtrack(argv);
  expect(status).toBe(0);
  const [heads, row, all] = out.trimEnd().split('\n');
  expect(heads).toMatch(/^ +1 click +3 clicks +box$/);
  expect(row!.startsWith('discs')).toBe(true);
  const scores = all!.replace('all objects', '').trim().split(/\s+/).map(Number);
  expect(scores).toHaveLength(3);
  expect(Math.min(...scores)).toBeGreaterThan(80);
  expect(Math.max(...scores)).toBeLessThanOrEqual(100);
  const asked = ['eval', 'clicks', '--root', at('DAVIS'), '--clicks', '1', ...CPU, '--json'];
  const { scores: rows } = JSON.parse((await samtrack(asked)).out);
  expect(rows).toHaveLength(6);
  expect(rows[0]).toMatchObject({ sequence: 'discs', frame: '00000', object: 1 });
  expect(await samtrack(['eval', 'clicks', '--root', at('nowhere'), ...CPU])).toMatchObject({
    status: 1,
    err: expect.stringMatching(/nowhere.*no such folder/),
  });
});

it('eval davis begins with masks from clicks, and scores near those of the exact masks', async () => {
  const argv = [
    'eval',
    'davis',
    '--root',
    at('DAVIS'),
    '--sequences',
    'discs',
    '--year',
    '2017',
    '--run',
    '--jobs',
    '1',
  ];
  const score = async (...more: string[]) => {
    const { status, out } = await samtrack([...argv, ...more, ...CPU]);
    expect(status).toBe(0);
    return Number(/all objects\s+(\S+)/.exec(out)![1]);
  };
  const exact = await score('--results', at('exact'));
  const clicked = await score('--results', at('clicked'), '--clicks', '3');
  expect(exact).toBeGreaterThan(0.85);
  expect(exact - clicked).toBeLessThan(0.08);
});
