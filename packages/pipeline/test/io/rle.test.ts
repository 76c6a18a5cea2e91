import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CocoJsonWriter } from '../../src/export/index.js';
import {
  compressRle,
  decodeRle,
  decompressRle,
  encodeRle,
  labelMapToRles,
  MemoryFolder,
  rleArea,
  rleBbox,
} from '../../src/io/index.js';
import { errorOf } from './temporary.js';

const masks = fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 })).chain(([width, height]) =>
  fc.record({
    width: fc.constant(width),
    height: fc.constant(height),
    mask: fc.array(fc.constantFrom(0, 0, 1, 1, 2), { minLength: width * height, maxLength: width * height }),
  }),
);

describe('COCO run lengths', () => {
  test('known answers', () => {
    // pycocotools 2.0: encode(asfortranarray([[0,1,1],[0,1,0]])) has counts [2,3,1], string "231".
    const rle = encodeRle([0, 1, 1, 0, 1, 0], 3, 2);
    expect(rle).toEqual({ size: [2, 3], counts: [2, 3, 1] });
    expect(compressRle(rle).counts).toBe('231');
    expect(rleArea(rle)).toBe(3);
    expect(rleBbox(rle)).toEqual([1, 0, 2, 2]);
    expect(encodeRle([1, 1, 1, 1], 2, 2).counts).toEqual([0, 4]);
    expect(encodeRle([0, 0, 0, 0], 2, 2).counts).toEqual([4]);
    // Differences to the count two before, negative ones and ones of several characters.
    const long = { size: [1000, 2000] as [number, number], counts: [5, 1000000, 31, 16, 1, 998947] };
    expect(decompressRle(compressRle(long))).toEqual(long);
  });

  test('every mask comes back; area and box are those of its pixels', () => {
    fc.assert(
      fc.property(masks, ({ width, height, mask }) => {
        const binary = mask.map((v) => (v ? 1 : 0));
        const rle = decompressRle(compressRle(encodeRle(mask, width, height)));
        expect([...decodeRle(rle)]).toEqual(binary);
        expect(rleArea(rle)).toBe(binary.filter(Boolean).length);
        const points = binary.flatMap((v, i) => (v ? [[i % width, Math.floor(i / width)] as const] : []));
        const xs = points.map(([x]) => x);
        const ys = points.map(([, y]) => y);
        const box = points.length
          ? [
              Math.min(...xs),
              Math.min(...ys),
              Math.max(...xs) - Math.min(...xs) + 1,
              Math.max(...ys) - Math.min(...ys) + 1,
            ]
          : [0, 0, 0, 0];
        expect(rleBbox(rle)).toEqual(box);
      }),
    );
  });

  test('all objects of a label map in one pass are the objects one by one', () => {
    fc.assert(
      fc.property(masks, ({ width, height, mask }) => {
        const rles = labelMapToRles({ width, height, data: Uint16Array.from(mask) });
        expect([...rles.keys()]).toEqual([1, 2].filter((id) => new Set<number>(mask).has(id)));
        for (const [id, rle] of rles) {
          expect(rle).toEqual(
            encodeRle(
              mask.map((v) => (v === id ? 1 : 0)),
              width,
              height,
            ),
          );
        }
      }),
    );
  });

  test('runs that do not fill the picture and a string that breaks off are refused', async () => {
    expect((await errorOf(() => decodeRle({ size: [2, 2], counts: [1, 2] }))).name).toBe('RangeError');
    expect((await errorOf(() => decompressRle({ size: [2, 2], counts: 'o' }))).name).toBe('RangeError');
  });
});

test('COCO JSON: images, annotations with track ids, categories of the labels', async () => {
  const folder = new MemoryFolder();
  const objects = new Map([[2, { name: 'Rex', label: 'dog' }]]);
  const writer = new CocoJsonWriter(await folder.createFile('coco.json'), objects);
  const size = { width: 2, height: 2 };
  await writer.add({ index: 0, time: 0, name: 'a', ...size }, { ...size, data: Uint16Array.of(0, 1, 2, 2) });
  await writer.add({ index: 3, time: 0.12, name: 'b', ...size }, { ...size, data: Uint16Array.of(0, 0, 0, 0) });
  await writer.add({ index: 4, time: 0.16, name: 'c', ...size }, { ...size, data: Uint16Array.of(2, 0, 0, 0) });
  expect(folder.files.size).toBe(0);
  await writer.finish();
  const json = JSON.parse(new TextDecoder().decode(folder.files.get('coco.json')));
  expect(json.images).toEqual([
    { id: 1, file_name: 'a.png', width: 2, height: 2, frame_index: 0, time: 0 },
    { id: 2, file_name: 'b.png', width: 2, height: 2, frame_index: 3, time: 0.12 },
    { id: 3, file_name: 'c.png', width: 2, height: 2, frame_index: 4, time: 0.16 },
  ]);
  expect(json.annotations).toHaveLength(3);
  expect(json.annotations[1]).toEqual({
    id: 2,
    image_id: 1,
    category_id: 2,
    track_id: 2,
    segmentation: { size: [2, 2], counts: '1110' },
    area: 2,
    bbox: [0, 1, 2, 1],
    iscrowd: 0,
  });
  expect(json.categories).toEqual([
    { id: 1, name: 'object' },
    { id: 2, name: 'dog' },
  ]);
  expect(json.objects).toEqual([
    { id: 1, name: 'object 1', category_id: 1 },
    { id: 2, name: 'Rex', category_id: 2 },
  ]);
});
