/** What `samtrack detect` makes of its options and of what is found; detect.test.ts runs the network. */
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/cli/command.js';
import { whatToFind, whatToKeep } from '../../src/cli/detect/options.js';
import { cocoDataset, describeDetections, detectionLines, labelledBoxes } from '../../src/cli/detect/output.js';
import { boxesSvg, writeDetectionPicture } from '../../src/cli/detect/picture.js';
import { temporaryFolder } from '../io/temporary.js';

const folder = temporaryFolder();

/** Without fonts there are no letters to look for. */
const letters = Buffer.from('<svg width="40" height="20"><text y="15">MMM</text></svg>');
const hasFonts = (await sharp(letters).extractChannel(3).raw().toBuffer()).some((alpha) => alpha > 0);

describe('what to find', () => {
  it('is a text, phrases of it, or classes', () => {
    expect(whatToFind({ text: 'a cat' })).toEqual({ text: 'a cat' });
    expect(whatToFind({ text: 'a cat', 'token-spans': '[[[2,5]]]' })).toEqual({ text: 'a cat', phrases: [[[2, 5]]] });
    expect(whatToFind({ classes: 'cat, remote control' })).toEqual({
      classes: ['cat', 'remote control'],
      scoring: 'phrase',
    });
    expect(whatToFind({ classes: 'cat', 'class-scores': true })).toEqual({ classes: ['cat'], scoring: 'span' });
  });

  it.each([
    [{}, /--text or --classes/],
    [{ text: 'cat', classes: 'cat' }, /--text or --classes/],
    [{ text: ' . ' }, /--text: There is nothing/],
    [{ classes: 'cat,,dog' }, /--classes: Class 1 has no name/],
    [{ text: 'cat', 'class-scores': true }, /--class-scores goes with --classes/],
    [{ classes: 'cat', 'token-spans': '[]' }, /--token-spans goes with --text/],
    [{ text: 'cat', 'token-spans': '[[0,3]]' }, /list of phrases/],
    [{ text: 'cat', 'token-spans': '[[[0,3]]' }, /list of phrases/],
  ])('is refused: %j', (options, message) => {
    expect(() => whatToFind(options)).toThrow(UsageError);
    expect(() => whatToFind(options)).toThrow(message);
  });
});

describe('what to keep', () => {
  it('has the thresholds of the published command line', () => {
    expect(whatToKeep({})).toEqual({ boxThreshold: 0.3, textThreshold: 0.25 });
    const all = { 'box-threshold': '0', 'remove-combined': true, nms: '.8', 'max-box-share': '0.5', limit: '7' };
    expect(whatToKeep(all)).toEqual({
      ...{ boxThreshold: 0, textThreshold: 0.25, removeCombined: true, nms: 0.8, maxBoxShare: 0.5, limit: 7 },
    });
  });

  it.each([{ 'box-threshold': '1.5' }, { 'text-threshold': '' }, { nms: 'x' }, { limit: '0.5' }])(
    'refuses %j',
    (options) => {
      expect(() => whatToKeep(options)).toThrow(UsageError);
    },
  );
});

const SIZE = { width: 100, height: 50 };
const found = {
  captions: [],
  detections: [
    { box: [-5, 10, 30.129, 60] as const, score: 0.7123901, phrase: 'the cat', index: 1, caption: 0, query: 3 },
    { box: [1, 2, 3, 4] as const, score: 0.5, phrase: 'thing', caption: 0, query: 9 },
  ],
};
const wanted = { classes: ['dog', 'cat'] };
const image = describeDetections({ file: 'a.jpg', ...SIZE }, found, wanted);

describe('what was found', () => {
  it('is described by class or words, with short numbers', () => {
    expect(image).toEqual({
      file: 'a.jpg',
      ...SIZE,
      detections: [
        { label: 'cat', score: 0.71239, box: [-5, 10, 30.13, 60], phrase: 'the cat', index: 1 },
        { label: 'thing', score: 0.5, box: [1, 2, 3, 4], phrase: 'thing', index: null },
      ],
    });
    expect(describeDetections({ file: 'a.jpg', ...SIZE }, found, { text: 'a cat' }).detections[1]).toEqual({
      ...{ label: 'thing', score: 0.5, box: [1, 2, 3, 4], phrase: 'thing' },
    });
  });

  it('is printed one line a box', () => {
    expect(detectionLines(image)).toBe('a.jpg\t0.7124\tcat\t-5\t10\t30.13\t60\na.jpg\t0.5000\tthing\t1\t2\t3\t4\n');
  });

  it('becomes a COCO dataset: boxes within the image, only of classes', () => {
    expect(cocoDataset([{ ...image, detections: [] }, image], wanted.classes)).toEqual({
      images: [
        { id: 1, file_name: 'a.jpg', ...SIZE },
        { id: 2, file_name: 'a.jpg', ...SIZE },
      ],
      annotations: [
        {
          ...{ id: 1, image_id: 2, category_id: 2, iscrowd: 0, score: 0.71239 },
          ...{ bbox: [0, 10, 30.13, 40], area: 1205.2 },
        },
      ],
      categories: [
        { id: 1, name: 'dog' },
        { id: 2, name: 'cat' },
      ],
    });
  });
});

describe('the picture', () => {
  it('labels boxes with words and score, one colour for each label', () => {
    const detections = [image.detections[0]!, image.detections[1]!, { ...image.detections[0]!, score: 0.3 }];
    expect(labelledBoxes({ ...image, detections }).map(({ label, colour }) => [label, colour])).toEqual([
      ['cat 0.71', 0],
      ['thing 0.50', 1],
      ['cat 0.30', 0],
    ]);
  });

  it('writes any text, as text', () => {
    const label = `<script>"&'\u0000\u0007\ud800 猫`;
    const svg = boxesSvg(SIZE, [{ box: [1, 2, 3, 4], label, colour: 0 }]);
    expect(svg).toContain('&#60;script&#62;&#34;&#38;&#39;    猫</text>');
    expect(svg).not.toContain('<script>');
  });

  it('has the boxes where they were found, and is the image elsewhere', async () => {
    const { width, height } = { width: 300, height: 200 };
    const rgba = new Uint8Array(width * height * 4).fill(255);
    for (const extension of ['png', 'jpg', 'webp']) {
      const file = join(folder, `boxes.${extension}`);
      const box = [100, 80, 250, 180] as const;
      await writeDetectionPicture(file, { width, height, rgba }, [{ box, label: 'a <cat> 0.71', colour: 0 }]);
      const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
      expect([info.width, info.height, info.channels]).toEqual([width, height, 3]);
      const saturation = (x: number, y: number) => {
        const colour = data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3);
        return Math.max(...colour) - Math.min(...colour);
      };
      for (const [x, y] of [
        [100, 150],
        [250, 150],
        [200, 80],
        [200, 180],
      ] as const)
        expect(saturation(x, y)).toBeGreaterThan(40);
      for (const [x, y] of [
        [175, 130],
        [20, 20],
        [290, 190],
      ] as const)
        expect(saturation(x, y)).toBeLessThan(12);
      if (!hasFonts) continue;
      // The label stands above the box: dark letters on the box's colour.
      const label = await sharp(file)
        .extract({ left: 100, top: 66, width: 100, height: 12 })
        .greyscale()
        .raw()
        .toBuffer();
      expect(label.filter((grey) => grey < 50).length).toBeGreaterThan(20);
    }
  });

  it('has no boxes where nothing was found', async () => {
    const file = join(folder, 'none.png');
    const rgba = Uint8Array.from({ length: 8 * 6 * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 7) % 256));
    await writeDetectionPicture(file, { width: 8, height: 6, rgba }, []);
    expect(new Uint8Array(await sharp(file).raw().toBuffer())).toEqual(rgba.filter((_, i) => i % 4 < 3));
  });
});
