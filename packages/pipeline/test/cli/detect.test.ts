import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { groundingDinoManifest, TINY_CONFIG } from '@samtrack/models/testing';
import sharp from 'sharp';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { officialFile, transformersFile } from '../../../models/test/fixtures/grounding-dino/checkpoint-files.js';
import { temporaryFolder } from '../io/temporary.js';
import { makeFrame, writeFrames } from '../tracking/scene.js';
import { samtrack } from './run.js';

const SIZE = { width: 96, height: 64 };
const folder = temporaryFolder();
const at = (...parts: string[]) => join(folder, ...parts);
const manifest = groundingDinoManifest(TINY_CONFIG, 5);
const weights = at('tiny.manifest.json');
const picture = at('frames', '00000.png');

/** `samtrack detect` of the picture with procedural weights, at its own size. */
const detect = (...more: string[]) =>
  samtrack(['detect', picture, '--weights', weights, '--short-edge', '64', ...more]);
const readJson = (file: string) => JSON.parse(readFileSync(file, 'utf8'));

beforeAll(() => {
  writeFrames(at('frames'), 2, SIZE);
  writeFileSync(weights, JSON.stringify(manifest));
});

describe('samtrack detect', () => {
  it('prints boxes, and writes JSON and a picture', async () => {
    const [json, out] = [at('found.json'), at('found.png')];
    const {
      status,
      out: printed,
      err,
    } = await detect('--text', 'A cat. remote control', '--limit', '5', '--json', json, '--out', out);
    expect({ status, err: err.split('\n').filter((line) => !/^(engine|loading|looking)/.test(line)) }).toEqual({
      status: 0,
      err: [''],
    });
    const record = readJson(json);
    expect(record).toMatchObject({
      weights: 'tiny.manifest.json',
      text: 'A cat. remote control',
      boxThreshold: 0.3,
      textThreshold: 0.25,
    });
    const [image] = record.images;
    expect(image).toMatchObject({ file: '00000.png', ...SIZE });
    expect(image.detections).toHaveLength(5);
    const scores = image.detections.map(({ score }: { score: number }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    for (const { label, phrase, score, box } of image.detections) {
      expect(label).toBe(phrase);
      expect(score).toBeGreaterThan(0.3);
      expect(box[2]).toBeGreaterThan(box[0]);
      expect(box[3]).toBeGreaterThan(box[1]);
    }
    const lines = printed.trim().split('\n');
    expect(lines.map((line) => line.split('\t')[1])).toEqual(scores.map((score: number) => score.toFixed(4)));
    // The picture differs from the image where boxes were drawn.
    const drawn = await sharp(out).raw().toBuffer({ resolveWithObject: true });
    expect([drawn.info.width, drawn.info.height]).toEqual([SIZE.width, SIZE.height]);
    const { rgba } = makeFrame(0, SIZE);
    expect(drawn.data.some((value, i) => Math.abs(value - rgba[Math.floor(i / 3) * 4 + (i % 3)]!) > 30)).toBe(true);
  });

  it('gives the same from the official file as from that of Hugging Face', async () => {
    const found = [];
    for (const [name, make] of [
      ['official.pth', officialFile],
      ['model.safetensors', transformersFile],
    ] as const) {
      writeFileSync(at(name), await make(manifest));
      const json = at(`${name}.json`);
      const { status } = await detect(
        '--weights',
        at(name),
        '--text',
        'a cat. remote control',
        '--box-threshold',
        '0.1',
        '--json',
        json,
      );
      expect(status).toBe(0);
      found.push(readJson(json).images);
      rmSync(at(name));
    }
    expect(found[0][0].detections.length).toBeGreaterThan(3);
    expect(found[1]).toEqual(found[0]);
  });

  it('looks at every image of a folder, and writes a COCO dataset and pictures', async () => {
    const [coco, out] = [at('coco.json'), at('pictures')];
    const { status } = await samtrack([
      ...['detect', at('frames'), '--weights', weights, '--short-edge', '64', '--limit', '3', '--box-threshold', '0'],
      ...['--classes', 'cat,remote control', '--class-scores', '--coco', coco, '--out', out],
    ]);
    expect(status).toBe(0);
    const { images, annotations, categories } = readJson(coco);
    expect(images.map(({ file_name }: { file_name: string }) => file_name)).toEqual(['00000.png', '00001.png']);
    expect(categories.map(({ name }: { name: string }) => name)).toEqual(['cat', 'remote control']);
    expect(annotations.map(({ image_id }: { image_id: number }) => image_id)).toEqual([1, 1, 1, 2, 2, 2]);
    for (const name of ['00000.png', '00001.png']) expect(existsSync(join(out, name))).toBe(true);
  });

  it('scores what it finds against COCO annotations', async () => {
    const [file, coco] = [at('instances.json'), at('results.json')];
    const categories = [
      { id: 7, name: 'cat' },
      { id: 3, name: 'remote control' },
    ];
    const images = ['00001.png', '00000.png'].map((name, i) => ({ id: 10 + i, file_name: name, ...SIZE }));
    const score = (annotations: object[]) => {
      writeFileSync(file, JSON.stringify({ images, categories, annotations }));
      return samtrack([
        ...['detect', at('frames'), '--weights', weights, '--short-edge', '64'],
        ...['--ground-truth', file, '--coco', coco],
      ]);
    };
    const empty = await score([]);
    expect(empty).toMatchObject({ status: 0, out: expect.stringMatching(/^2 images, 2 categories\nap +-\n/) });
    // 30 boxes and 2 classes in each of 2 images.
    const results = readJson(coco);
    expect(results).toHaveLength(120);
    expect([...new Set(results.map((one: { image_id: number }) => one.image_id))]).toEqual([11, 10]);
    // The best box of each class as the truth.
    const best = categories.map(({ id }) =>
      results
        .filter((one: { category_id: number }) => one.category_id === id)
        .reduce((a: { score: number }, b: { score: number }) => (b.score > a.score ? b : a)),
    );
    const truth = best.map((one, i) => ({
      ...one,
      id: i + 1,
      area: one.bbox[2]! * one.bbox[3]!,
    }));
    const scored = await score(truth);
    expect(scored.out).toMatch(/^ap +100\.0$/m);
    expect(scored.out).toMatch(/^ar1 +100\.0$/m);

    writeFileSync(file, JSON.stringify({ images: [], categories, annotations: [] }));
    const other = await samtrack([
      'detect',
      picture,
      '--weights',
      weights,
      '--short-edge',
      '64',
      '--ground-truth',
      file,
    ]);
    expect([other.status, other.err]).toEqual([
      1,
      expect.stringMatching(/00000\.png: not an image of .*instances\.json/),
    ]);
  });

  it('finds nothing without failing', async () => {
    const json = at('nothing.json');
    const { status, out } = await detect(
      '--text',
      'cat',
      '--box-threshold',
      '1',
      '--json',
      json,
      '--out',
      at('nothing.png'),
    );
    expect({ status, out }).toEqual({ status: 0, out: '' });
    expect(readJson(json).images[0].detections).toEqual([]);
    expect(existsSync(at('nothing.png'))).toBe(true);
  });

  it('says what of a long text it ignores', async () => {
    const { status, err } = await detect('--text', 'dog '.repeat(300), '--limit', '1');
    expect(status).toBe(0);
    expect(err).toContain('note: the text is too long: 47 tokens beyond the 256th are ignored');
  });

  it('takes weights from the cache, and says how to get them', async () => {
    const run = () => samtrack(['detect', picture, '--text', 'cat', '--short-edge', '64', '--limit', '1']);
    vi.stubEnv('SAMTRACK_CACHE', at('cache'));
    const missing = await run();
    expect(missing.status).toBe(2);
    expect(missing.err).toContain('run `samtrack weights pull grounding-dino-t`, or give --weights FILE');
    mkdirSync(at('cache'));
    writeFileSync(at('cache', 'groundingdino_swint_ogc.pth'), readFileSync(weights));
    const found = await run();
    vi.unstubAllEnvs();
    expect({ status: found.status, lines: found.out.trim().split('\n').length }).toEqual({ status: 0, lines: 1 });
  });

  it.each([
    [['--text', 'cat', '--classes', 'dog'], 2, /--text or --classes/],
    [['--text', 'cat', '--coco', 'x.json'], 2, /--coco needs --classes/],
    [['--text', 'cat', '--ground-truth', 'x.json'], 2, /leave out --text/],
    [['--ground-truth', 'nowhere.json'], 1, /nowhere\.json/],
    [['--text', '...'], 2, /nothing to look for/],
    [['--text', 'cat', '--box-threshold', '2'], 2, /from 0 to 1/],
    [['--text', 'cat', '--model', 'x'], 2, /grounding-dino-t, grounding-dino-b/],
    [['--text', 'cat', '--weights', 'nowhere.pth'], 1, /nowhere\.pth/],
    [['--text', 'cat', '--json', join(picture, 'x.json')], 1, /cannot be written: a file is where a folder is needed/],
  ])('%j ends with %d', async (options, expected, message) => {
    const { status, err } = await detect(...options);
    expect(err).toMatch(message);
    expect(status).toBe(expected);
  });

  it('refuses other weights and missing images', async () => {
    const other = await detect('--text', 'cat', '--weights', at('other.json'));
    expect(other.status).toBe(1);
    writeFileSync(at('other.json'), JSON.stringify({ seed: 1, tensors: [] }));
    const wrong = await detect('--text', 'cat', '--weights', at('other.json'));
    expect([wrong.status, wrong.err]).toEqual([1, expect.stringMatching(/other\.json: no Grounding DINO/)]);
    const missing = await samtrack(['detect', at('none.jpg'), '--weights', weights, '--text', 'cat']);
    expect([missing.status, missing.err]).toEqual([1, expect.stringMatching(/none\.jpg: no such file/)]);
    const several = await samtrack([
      'detect',
      at('frames'),
      '--weights',
      weights,
      '--text',
      'cat',
      '--out',
      at('one.png'),
    ]);
    expect([several.status, several.err]).toEqual([2, expect.stringMatching(/--out is a folder/)]);
  });
});
