import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decode, encode } from 'fast-png';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { decodeLabelPng, encodeLabelPng, labelIds } from '../../src/io/index.js';
import { type Actor, COLOURS, colourSegmenter, frameOf, iouOf, truthOf } from '../discovery/clip.js';
import { temporaryFolder } from '../io/temporary.js';
import { samtrack } from './run.js';

vi.mock('../../src/cli/common/assistants.js', async (original) => ({
  ...(await original<object>()),
  // Any file will do: only its digest is taken.
  segmenterSettings: () => ({ name: 'colours', weights: fileURLToPath(new URL('./run.ts', import.meta.url)) }),
  loadSegmenter: () => colourSegmenter(),
}));

/** Green, red, and a blue one that enters later. */
const ACTORS: readonly Actor[] = [
  { enters: 0, at: [190, 95], by: [-2, 0], radius: 22, colour: COLOURS[1] },
  { enters: 0, at: [50, 40], by: [3, 0], radius: 18, colour: COLOURS[0] },
  { enters: 2, at: [120, 110], by: [0, -3], radius: 16, colour: COLOURS[2] },
];
const COUNT = 6;
const folder = temporaryFolder();
const at = (...parts: string[]) => join(folder, ...parts);
const track = (out: string, ...more: string[]) => [
  'track',
  at('clip'),
  '--out',
  at(out),
  '--no-overlay',
  '--no-coco',
  ...more,
];
const maskOf = (out: string, i: number) => decodeLabelPng(readFileSync(at(out, 'masks', `0000${i}.png`)), 'x');
const masksOf = (out: string) =>
  readdirSync(at(out, 'masks'))
    .sort()
    .map((name) => readFileSync(at(out, 'masks', name)));
const json = (...parts: string[]) => JSON.parse(readFileSync(at(...parts), 'utf8'));
const CSV = ['--format', 'csv'];

beforeAll(() => {
  mkdirSync(at('clip'));
  for (let i = 0; i < COUNT; i++) {
    const { width, height, rgba: data, name } = frameOf(ACTORS, i);
    writeFileSync(at('clip', `${name}.png`), encode({ width, height, channels: 4, depth: 8, data }));
  }
  writeFileSync(at('first.png'), encodeLabelPng(truthOf(ACTORS, 0)));
});

describe('samtrack track with prompts', () => {
  const two = [
    '--object',
    'name=green,label=ball',
    '--point',
    '190,95',
    '--point',
    '5,5,0',
    '--object',
    'red',
    '--box',
    '30,20,70,60',
  ];

  it('in the first frame tracks as from their mask, with names and classes', async () => {
    const { status, err } = await samtrack(track('two', ...two, ...CSV));
    expect({ status, err }).toMatchObject({
      status: 0,
      err: expect.stringMatching(/^frame 00000: 1 \(green\): 1517 pixels, 2 \(red\): 1009 pixels$/m),
    });
    expect(err).toMatch(/clip: 240x136, 6 frames, 2 objects; deaot-t on /);
    await samtrack(track('mask', '--mask', at('first.png')));
    expect(masksOf('two')).toEqual(masksOf('mask'));
    expect(readFileSync(at('two/boxes.csv'), 'utf8')).toMatch(/^0,00000,0\.000000,1,ball,green,/m);
    expect(json('two/run.json').identity).toMatchObject({
      segmenter: { name: 'run.ts' },
      prompts: expect.stringContaining('"red"'),
    });
  });

  it('goes on with --resume, but not with other prompts', async () => {
    const before = masksOf('two');
    expect(await samtrack(track('two', ...two, ...CSV))).toMatchObject({
      status: 1,
      err: expect.stringMatching(/holds 6 masks/),
    });
    expect(await samtrack(track('two', '--point', '190,95', '--resume', ...CSV))).toMatchObject({
      status: 1,
      err: expect.stringMatching(/mask "prompts" has other content than it had/),
    });
    expect(await samtrack(track('two', ...two, '--resume', ...CSV))).toMatchObject({ status: 0 });
    expect(masksOf('two')).toEqual(before);
  });

  it('in a later frame tracks both ways', async () => {
    const { status, err } = await samtrack(
      track('late', '--point', '120,101', '--at', '5', '--object', 'name=blue', ...CSV),
    );
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(masksOf('late')).toHaveLength(COUNT);
    for (const i of [2, 3, 4, 5]) expect(iouOf(maskOf('late', i), 1, truthOf(ACTORS, i), 3)).toBeGreaterThan(0.7);
    expect(readFileSync(at('late/boxes.csv'), 'utf8')).toMatch(/^2,00002,.*,1,object,blue,/m);
  });

  it('in several frames, from a file; every object in all frames', async () => {
    const prompts = {
      objects: [
        {
          name: 'green',
          prompts: [
            { frame: 0, points: [[190, 95]] },
            { frame: 4, box: [150, 60, 210, 130] },
          ],
        },
        { name: 'blue', prompts: [{ frame: 4, points: [[120, 104]] }] },
        {
          name: 'red',
          prompts: [
            {
              frame: 1,
              stroke: [
                [50, 40],
                [58, 42],
              ],
            },
          ],
        },
      ],
    };
    writeFileSync(at('prompts.json'), JSON.stringify(prompts));
    const { status, err } = await samtrack(track('file', '--prompts', at('prompts.json')));
    expect({ status, err }).toMatchObject({
      status: 0,
      err: expect.stringMatching(/^frame 00004: 1 \(green\).*, 2 \(blue\)/m),
    });
    for (let i = 0; i < COUNT; i++) {
      for (const [id, truth] of [[1, 1], [3, 2], ...(i >= 2 ? [[2, 3]] : [])] as const) {
        expect(iouOf(maskOf('file', i), id!, truthOf(ACTORS, i), truth!), `frame ${i}, object ${id}`).toBeGreaterThan(
          0.7,
        );
      }
    }
  });

  it('in a range, whose frames keep their numbers', async () => {
    const { status } = await samtrack(track('range', '--from', '2', '--to', '5', '--point', '120,104', '--at', '4'));
    expect(status).toBe(0);
    expect(readdirSync(at('range/masks')).sort()).toEqual(['00002.png', '00003.png', '00004.png']);
    expect(iouOf(maskOf('range', 2), 1, truthOf(ACTORS, 2), 3)).toBeGreaterThan(0.7);
  });

  it('in a project', async () => {
    const argv = ['--project', at('p.samtrack'), '--point', '120,101', '--at', '5', '--object', 'blue'];
    expect(await samtrack(track('project', ...argv))).toMatchObject({ status: 0 });
    expect(readFileSync(at('p.samtrack'), 'utf8')).toContain('"blue"');
    const before = masksOf('project');
    expect(before).toEqual(masksOf('late'));
    expect(await samtrack(track('project', ...argv))).toMatchObject({ status: 0 });
    expect(masksOf('project')).toEqual(before);
    // Without the prompts, which are in the project.
    expect(await samtrack(track('goes on', ...argv.slice(0, 2)))).toMatchObject({ status: 0 });
    expect(masksOf('goes on')).toEqual(before);
    const renewed = track('project', ...argv.slice(0, 2));
    expect(await samtrack(renewed)).toMatchObject({ status: 0 });
    expect(await samtrack([...renewed, '--palette', 'samtrack'])).toMatchObject({
      status: 1,
      err: expect.stringMatching(/project: holds 6 masks of another run \(palette was .* is now .*--overwrite/),
    });
    // With others it would have to begin anew.
    for (const other of [
      ['--point', '190,95'],
      ['--object', 'blue', '--point', '120,101', '--at', '5', '--object', 'red', '--box', '30,20,70,60', '--at', '0'],
    ]) {
      expect(await samtrack(track('project', ...argv.slice(0, 2), ...other))).toMatchObject({
        status: 1,
        err: expect.stringMatching(/p\.samtrack: it began with other masks than those of the prompts; without them /),
      });
    }
    expect(masksOf('project')).toEqual(before);
  });

  it('in several frames of a project, which go on with the same ones only', async () => {
    const fileOf = (x: number) => {
      const prompts = [
        { frame: 0, points: [[190, 95]] },
        { frame: 4, points: [[x, x === 182 ? 95 : 40]] },
      ];
      const blue = { name: 'blue', prompts: [{ frame: 4, points: [[120, 101]] }] };
      writeFileSync(at(`both-${x}.json`), `\uFEFF${JSON.stringify({ objects: [{ name: 'green', prompts }, blue] })}`);
      return ['--prompts', at(`both-${x}.json`)];
    };
    const argv = (x: number) => track('both', '--project', at('both.samtrack'), ...fileOf(x));
    expect(await samtrack(argv(182))).toMatchObject({ status: 0 });
    const before = masksOf('both');
    expect(await samtrack(argv(182))).toMatchObject({ status: 0 });
    // The second click of green is on the red one.
    expect(await samtrack(argv(62))).toMatchObject({ status: 1, err: expect.stringMatching(/began with other masks/) });
    expect(masksOf('both')).toEqual(before);
  });

  it('writes what it has when it is stopped', async () => {
    let pressed = false;
    const { status, err } = await samtrack(track('stopped', '--point', '120,107', '--at', '3'), (text) => {
      if (!pressed && text.startsWith('frame 2/')) pressed = process.emit('SIGINT');
    });
    expect(status).toBe(130);
    expect(err).toMatch(/stopped after [23] frames\. They are kept\. With --project FILE/);
    expect(readdirSync(at('stopped/masks'))).toContain('00003.png');
  });

  it('--preview draws them, and stops', async () => {
    const { status, out } = await samtrack(track('preview', ...two, '--preview'));
    expect({ status, out }).toEqual({ status: 0, out: `${at('preview/preview.png')}\n` });
    expect(readdirSync(at('preview')).sort()).toEqual(['.samtrack.json', 'preview.png']);
    const { width, height, data, channels } = decode(readFileSync(at('preview/preview.png')));
    expect([width, height, channels]).toEqual([240, 136, 3]);
    const original = frameOf(ACTORS, 0).rgba;
    const changed = (x: number, y: number) =>
      [0, 1, 2].some((c) => data[3 * (y * 240 + x) + c] !== original[4 * (y * 240 + x) + c]);
    // The click, the mask around it, the box's edge, and what is none of it.
    expect([changed(190, 95), changed(180, 90), changed(30, 40), changed(120, 20)]).toEqual([true, true, true, false]);
    expect(await samtrack(track('preview', ...two, '--preview'))).toMatchObject({
      status: 1,
      err: expect.stringMatching(/^samtrack track: .*preview\.png.*is there already; --overwrite replaces it/),
    });
    expect(await samtrack(track('preview', ...two, '--preview', '--overwrite'))).toMatchObject({ status: 0 });
    // A picture is no result that a run would trip over.
    expect(await samtrack(track('preview', ...two, '--to', '2'))).toMatchObject({ status: 0 });
  });

  it('says where they give nearly the whole frame', async () => {
    mkdirSync(at('wall'));
    const data = Uint8Array.from({ length: 3 * 64 * 48 }, (_, i) => COLOURS[0]![i % 3]!);
    writeFileSync(at('wall/0.png'), encode({ width: 64, height: 48, channels: 3, depth: 8, data }));
    const argv = ['track', at('wall'), '--object', 'cat', '--point', '20,20', '--preview', '--out', at('wall-preview')];
    expect(await samtrack(argv)).toMatchObject({
      status: 0,
      err: expect.stringMatching(/^note: 1 \(cat\) covers 100 % of frame 0, rather its background than an object; /m),
    });
  });

  const object = (...more: string[]) => ['--object', 'a', '--point', '190,95', '--object', ...more];
  it.each<[status: number, message: RegExp, argv: string[]]>([
    [1, /point \(240, 10\) is outside of 240x136/, ['--point', '240,10']],
    [1, /object "a": colours finds no object there in frame 0/, ['--object', 'a', '--point', '120,5']],
    [1, /box \(10, 10, 10, 40\) is empty/, ['--box', '10,10,10,40']],
    [1, /two objects are named "a"/, object('a', '--point', '50,40')],
    [1, /there is no frame 6; clip is tracked from 0 to 5/, ['--point', '50,40', '--at', '6']],
    [1, /there is no frame 1; clip is tracked from 2 to 5/, ['--point', '50,40', '--at', '1', '--from', '2']],
    [2, /--from 6: there are 6 frames$/m, ['--point', '50,40', '--from', '6']],
    [1, /all points are beside the object/, ['--point', '50,40,0']],
    [1, /nosuch\.json: no such file$/m, ['--prompts', 'nosuch.json']],
    [2, /--point takes "x,y", "x,y,1" and "x,y,0", not "1,2,5"/, ['--point', '1,2,5']],
    [2, /--point needs numbers apart by commas, not "a,b"/, ['--point', 'a,b']],
    [2, /--box is X0,Y0,X1,Y1, not "1,2,3"/, ['--box', '1,2,3']],
    [2, /several --box/, ['--box', '1,2,3,4', '--box', '5,6,7,8']],
    [2, /several --at of "a": .*--prompts FILE/, ['--object', 'a', '--point', '1,2', '--at', '1', '--at', '2']],
    [2, /no --point, --box or --stroke of "b"/, object('b')],
    [2, /--point 1,2 stands before the first --object/, ['--point', '1,2', ...object('b', '--point', '3,4')]],
    [2, /--object is NAME, name=NAME or name=NAME,label=CLASS, not "id=3"/, ['--object', 'id=3', '--point', '1,2']],
    [2, /--preview needs prompts/, ['--preview', '--mask', 'x.png']],
    [2, /--mask does not go with prompts/, ['--point', '1,2', '--mask', 'x.png']],
    [2, /--box does not go with --prompts/, ['--box', '1,2,3,4', '--prompts', 'x.json']],
    [2, /with prompts it is --mode fusion/, ['--point', '1,2', '--mode', 'automatic', '--everything']],
    [2, /--resume needs all prompts in the first frame/, ['--point', '1,2', '--at', '3', '--resume']],
    [2, /or prompts such as --point X,Y/, []],
  ])('fails with %i and writes nothing: %s', async (status, message, argv) => {
    const result = await samtrack(track('none', ...argv));
    expect(result).toMatchObject({ status, err: expect.stringMatching(message) });
    expect(existsSync(at('none'))).toBe(false);
  });

  it('are joined by what is found later', async () => {
    const { status } = await samtrack(
      track('fusion', ...two, '--mode', 'fusion', '--everything', '--every', '3', '--look-ahead', '0'),
    );
    expect(status).toBe(0);
    expect(labelIds(maskOf('fusion', 5))).toEqual([1, 2, 3]);
  });
});
