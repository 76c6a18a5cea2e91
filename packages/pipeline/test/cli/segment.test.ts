/** `samtrack segment` as a user runs it, on a small model with procedural weights. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeRle, decompressRle } from '@samtrack/models/masks';
import { decode, encode } from 'fast-png';
import { beforeAll, describe, expect, it } from 'vitest';
import { steepSamManifest } from '../../../models/test/fixtures/sam/manifest.js';
import { UsageError } from '../../src/cli/command.js';
import { wantedMasks } from '../../src/cli/segment/options.js';
import { temporaryFolder } from '../io/temporary.js';
import { samtrack } from './run.js';

const folder = temporaryFolder();
const taps = fileURLToPath(new URL('../../../models/test/fixtures/sam/sam-tiny.taps.safetensors', import.meta.url));
const tinyManifest = fileURLToPath(
  new URL('../../../models/test/fixtures/sam/sam-tiny.manifest.json', import.meta.url),
);
const [width, height] = [90, 60];
let image: string;
let weights: string;

beforeAll(() => {
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => 128 + 100 * Math.sin(i / 31) * Math.cos(i / 7),
  );
  image = join(folder, 'picture.png');
  writeFileSync(image, encode({ width, height, channels: 3, depth: 8, data }));
  weights = join(folder, 'steep.json');
  writeFileSync(weights, JSON.stringify(steepSamManifest()));
});

const run = (...argv: string[]) => samtrack(['segment', image, '--weights', weights, '--quiet', ...argv]);
const readJson = (out: string) => JSON.parse(readFileSync(join(out, 'masks.json'), 'utf8'));

describe('samtrack segment', () => {
  it('writes the mask of a click as labels, picture and run lengths', async () => {
    const out = join(folder, 'click');
    const { status, out: text, err } = await run('--points', '30,20 80,50,0', '--out', out);
    expect(err).toBe('');
    expect(status).toBe(0);
    const { image: described, annotations } = readJson(out);
    expect(described).toEqual({ file_name: 'picture.png', width, height });
    expect(annotations).toHaveLength(1);
    expect(text).toMatch(new RegExp(`^1\t${annotations[0].area}\t-?\\d\\.\\d{4}\t\\d\\.\\d{4}\n$`));
    const mask = decodeRle(decompressRle(annotations[0].segmentation));
    expect([...decode(readFileSync(join(out, 'mask.png'))).data]).toEqual([...mask]);
    const overlay = decode(readFileSync(join(out, 'overlay.png')));
    expect(overlay).toMatchObject({ width, height, channels: 4 });
    expect(readdirSync(out).sort()).toEqual(['.samtrack.json', 'mask.png', 'masks.json', 'overlay.png']);
  });

  it('takes boxes, an object each, and strokes', async () => {
    const boxes = join(folder, 'boxes');
    expect((await run('--box', '5,5,40,40', '--box', '50,10,85,55', '--passes', '1', '--out', boxes)).status).toBe(0);
    expect(readJson(boxes).annotations).toHaveLength(2);
    const stroke = join(folder, 'stroke');
    const argv = ['--stroke', '10,10 60,40', '--background', '80,5 85,9', '--pen-width', '4', '--candidates'];
    expect((await run(...argv, '--out', stroke)).status).toBe(0);
    const { annotations } = readJson(stroke);
    expect(annotations).toHaveLength(12);
    expect(annotations[0].stroke_agreement).toBeGreaterThanOrEqual(0);
  });

  it('segments everything, with a PNG for each mask and a table', async () => {
    const out = join(folder, 'everything');
    const argv = ['--everything', '--points-per-side', '2', '--pred-iou-thresh', '0', '--stability-score-thresh', '0'];
    const { status, err } = await run(...argv, '--box-nms-thresh', '1', '--each', '--out', out);
    expect(err).toBe('');
    expect(status).toBe(0);
    const { annotations } = readJson(out);
    expect(annotations).toHaveLength(12);
    expect(annotations[0]).toMatchObject({ id: 1, crop_box: [0, 0, width, height] });
    expect(annotations[0].point_coords[0]).toHaveLength(2);
    const lines = readFileSync(join(out, 'masks', 'metadata.csv'), 'utf8')
      .trim()
      .split('\n');
    expect(lines).toHaveLength(13);
    expect(lines[1]!.split(',')).toHaveLength(lines[0]!.split(',').length);
    const first = decode(readFileSync(join(out, 'masks', '0.png')));
    expect([...first.data].filter((v) => v === 255)).toHaveLength(annotations[0].area);
  });

  it('refuses a folder with a file of the user before the network is loaded', async () => {
    const out = join(folder, 'taken');
    mkdirSync(join(out, 'masks'), { recursive: true });
    writeFileSync(join(out, 'masks', '0.png'), 'mine');
    const argv = ['segment', image, '--weights', weights, '--points', '30,20', '--each', '--out', out];
    const { status, err } = await samtrack(argv);
    expect({ status, err }).toEqual({ status: 1, err: expect.stringMatching(/0\.png: was not made by samtrack/) });
    expect(err).not.toMatch(/engine|loading/);
  });

  it('saves the embedding of an image and uses it again', async () => {
    const [first, second, file] = [join(folder, 'first'), join(folder, 'second'), join(folder, 'picture.embedding')];
    const click = ['--points', '30,20'];
    expect((await run(...click, '--save-embedding', file, '--out', first)).status).toBe(0);
    expect((await run(...click, '--embedding', file, '--out', second)).status).toBe(0);
    expect(readJson(second)).toEqual(readJson(first));
    writeFileSync(file, readFileSync(file).subarray(0, -4));
    const broken = await run(...click, '--embedding', file, '--out', second);
    expect(broken).toMatchObject({ status: 1 });
    expect(broken.err).toMatch(/no embedding for this model/);
  });

  it('says what is wrong with a prompt, an option or a file, and writes nothing then', async () => {
    const out = join(folder, 'nothing');
    const outside = await run('--points', '91,5', '--out', out);
    expect(outside.err).toMatch(
      /^samtrack segment: The prompt has point 0 at 91,5, outside the image of 90x60 pixels/m,
    );
    expect(outside.status).toBe(1);
    const option = await run('--everything', '--points-per-side', '0', '--out', out);
    expect(option).toMatchObject({ status: 1, err: expect.stringMatching(/pointsPerSide is 0/) });
    const missing = await samtrack([
      'segment',
      join(folder, 'no.png'),
      '--weights',
      weights,
      '--points',
      '1,1',
      '--out',
      out,
    ]);
    expect(missing).toMatchObject({ status: 1, err: expect.stringMatching(/no\.png/) });
    expect(existsSync(out)).toBe(false);
  });

  it.each([
    [[], /needs --out/],
    [['--out', 'x'], /--point, --box, --stroke or --everything/],
    [['--everything', '--embedding', 'x', '--out', 'x'], /do not go with --everything/],
    [['--points', '1,1', '--out', 'x', '--model', 'sam'], /--model is one of/],
  ])('is used wrongly: %j', async (argv, message) => {
    expect(await run(...argv)).toMatchObject({ status: 2, err: expect.stringMatching(message) });
  });
});

describe('what to segment', () => {
  it('is prompts of one object, boxes of several, a stroke, or everything', () => {
    expect(wantedMasks({ points: '1,2 3,4,0', box: ['0,0,9,9'] })).toEqual({
      kind: 'prompts',
      prompts: [
        {
          points: [
            [1, 2],
            [3, 4],
          ],
          labels: [1, 0],
          box: [0, 0, 9, 9],
        },
      ],
      passes: 2,
    });
    expect(wantedMasks({ box: ['0,0,9,9', '1,1,2,2'], passes: '1' })).toMatchObject({ passes: 1, prompts: [{}, {}] });
    expect(wantedMasks({ stroke: '1,2 3,4' })).toMatchObject({
      kind: 'stroke',
      stroke: {
        points: [
          [1, 2],
          [3, 4],
        ],
      },
    });
    expect(wantedMasks({ everything: true, 'crop-n-layers': '1' })).toEqual({
      kind: 'everything',
      options: { cropNLayers: 1 },
    });
  });

  it.each([
    [{ points: '1,2', everything: true }, /do not go together/],
    [{ points: '1,2', stroke: '1,2' }, /do not go together/],
    [{ points: '1' }, /"x,y"/],
    [{ points: '1,2,5' }, /"x,y"/],
    [{ points: ' ' }, /no points/],
    [{ points: '1,x' }, /needs numbers/],
    [{ points: '1,2', box: ['0,0,1,1', '2,2,3,3'] }, /one --box at most/],
    [{ box: ['1,2,3'] }, /X0,Y0,X1,Y1/],
    [{ stroke: '1,2,3' }, /pairs/],
    [{ stroke: '1,2', passes: '1' }, /--passes does not go/],
    [{ points: '1,2', background: ['1,2'] }, /--background goes with --stroke/],
    [{ points: '1,2', passes: '3' }, /1 or 2/],
    [{ points: '1,2', 'crop-n-layers': '1' }, /--crop-n-layers goes with --everything/],
    [{ everything: true, passes: '1' }, /--passes does not go with --everything/],
  ])('is refused: %j', (values, message) => {
    expect(() => wantedMasks(values)).toThrow(UsageError);
    expect(() => wantedMasks(values)).toThrow(message);
  });
});

describe('samtrack verify', () => {
  it('tells from the weights that they are of Segment Anything', async () => {
    const { status, out } = await samtrack(['verify', '--manifest', tinyManifest, '--taps', taps]);
    expect(status).toBe(0);
    expect(out).toMatch(/ok +point1\.multi\.low_res +\d\.\d\de-\d+/);
    const wrong = await samtrack(['verify', '--manifest', tinyManifest, '--taps', taps, '--model', 'deaot-t']);
    expect(wrong).toMatchObject({ status: 2, err: expect.stringMatching(/has weights of Segment Anything/) });
  });
});
