import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encode } from 'fast-png';
import { unzipSync } from 'fflate';
import { beforeEach, describe, expect, test } from 'vitest';
import { encodeLabelPng } from '../../src/io/index.js';
import { type SubmissionOptions, writeSubmission, youTubeVosVideos } from '../../src/metrics/index.js';
import { errorOf, temporaryFolder } from '../io/temporary.js';

const root = temporaryFolder();
const results = join(root, 'results');
const zip = join(root, 'submission.zip');
const [width, height] = [6, 4];
const write = (path: string, bytes: Uint8Array | string) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
};
const masks = (id: number) => ({ width, height, data: new Uint16Array(width * height).fill(id) });
const png = (id: number) => encodeLabelPng(masks(id), { bits: 8 });
const frames = ['00000', '00001'];
const options = (more: Partial<SubmissionOptions> = {}): SubmissionOptions => ({
  dataset: 'davis',
  results,
  zip,
  sequences: ['a', 'b'].map((name) => ({ name, frames, width, height, ids: [1, 2] })),
  ...more,
});

beforeEach(() => {
  for (const name of ['a', 'b']) for (const frame of frames) write(join(results, name, `${frame}.png`), png(2));
});

describe('submissions', () => {
  test('DAVIS: sequence folders at the top, nothing else', async () => {
    expect(await writeSubmission(options())).toBe(4);
    const archive = unzipSync(readFileSync(zip));
    expect(Object.keys(archive)).toEqual(['a/00000.png', 'a/00001.png', 'b/00000.png', 'b/00001.png']);
    expect(Buffer.from(archive['b/00001.png']!)).toEqual(readFileSync(join(results, 'b/00001.png')));
  });

  test('YouTube-VOS: below Annotations; one video is enough', async () => {
    const [sequence] = options().sequences;
    expect(await writeSubmission(options({ dataset: 'youtube-vos', sequences: [sequence!] }))).toBe(2);
    expect(Object.keys(unzipSync(readFileSync(zip)))).toEqual(['Annotations/a/00000.png', 'Annotations/a/00001.png']);
  });

  test.each<[what: string, spoil: () => SubmissionOptions, code: string, message: RegExp]>([
    [
      'a missing frame',
      () => options({ sequences: [...options().sequences, { ...options().sequences[0]!, name: 'c' }] }),
      'missing-result',
      /results\/c\/00000\.png: no such file/,
    ],
    [
      'a grey PNG',
      () => {
        write(join(results, 'b/00001.png'), encodeLabelPng(masks(1), { bits: 16 }));
        return options();
      },
      'bad-result',
      /b\/00001\.png: a grey PNG; an indexed one is needed/,
    ],
    [
      'a colour PNG',
      () => {
        const data = new Uint8Array(width * height * 3);
        write(join(results, 'b/00001.png'), encode({ width, height, channels: 3, depth: 8, data }));
        return options();
      },
      'bad-result',
      /a colour PNG/,
    ],
    [
      'another size',
      () => options({ sequences: options().sequences.map((sequence) => ({ ...sequence, width: 7 })) }),
      'size-mismatch',
      /a\/00000\.png: the result has 6x4 pixels, the frame has 7x4/,
    ],
    [
      'an unknown object',
      () => {
        write(join(results, 'a/00001.png'), png(3));
        return options();
      },
      'too-many-objects',
      /a\/00001\.png: the sequence has no object 3/,
    ],
    [
      'a single folder at the top',
      () => options({ sequences: options().sequences.slice(0, 1) }),
      'bad-option',
      /takes a single folder at the top of the archive for a wrapping folder/,
    ],
    ['nothing', () => options({ sequences: [] }), 'bad-option', /no sequences/],
  ])('refused: %s, and there is no archive', async (_, spoil, code, message) => {
    const path = join(root, `${code}-${Math.random()}.zip`);
    const error = await errorOf(() => writeSubmission({ ...spoil(), zip: path }));
    expect(error).toMatchObject({ name: 'EvaluationError', code, message: expect.stringMatching(message) });
    expect(existsSync(path)).toBe(false);
  });
});

describe('YouTube-VOS meta.json', () => {
  const meta = {
    videos: {
      v2: {
        objects: {
          1: { category: 'dog', frames: ['00005', '00010'] },
          3: { category: 'cat', frames: ['00010', '00015'] },
        },
      },
      v1: { objects: { 1: { category: 'ape', frames: ['00000'] } } },
    },
  };

  test('the frames of a video are those of any object; the folder `valid` is found', async () => {
    write(join(root, 'yt/valid/meta.json'), JSON.stringify(meta));
    const { folder, videos } = await youTubeVosVideos(join(root, 'yt'));
    expect(folder).toBe(join(root, 'yt/valid'));
    expect(videos.map(({ name, frames }) => [name, frames])).toEqual([
      ['v1', ['00000']],
      ['v2', ['00005', '00010', '00015']],
    ]);
    expect(videos[1]!.objects).toEqual([
      { id: 1, category: 'dog' },
      { id: 3, category: 'cat' },
    ]);
    expect((await youTubeVosVideos(folder, ['v2'])).videos.map(({ name }) => name)).toEqual(['v2']);
  });

  test('what is wrong is named', async () => {
    write(join(root, 'bad/meta.json'), '{');
    write(join(root, 'none/meta.json'), '{"videos":{"v":{"objects":{}}}}');
    for (const [folder, names, code, message] of [
      ['nosuch', undefined, 'not-found', /nosuch\/valid\/meta\.json: no such file/],
      ['bad', undefined, 'unreadable', /bad\/meta\.json: .*JSON/],
      ['none', undefined, 'no-frames', /v: no frames are listed/],
      ['yt', ['v9'], 'not-found', /v9: no such video/],
    ] as const) {
      const error = await errorOf(() => youTubeVosVideos(join(root, folder), names));
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    }
  });
});
