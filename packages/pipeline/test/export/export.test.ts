import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input, VideoSampleSink } from 'mediabunny';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { cutOut, EXPORT_FORMATS, type ExportFormat, openExporters, ResultWriter } from '../../src/export/index.js';
import {
  type CompressedRle,
  decodeLabelPng,
  decodeRle,
  decompressRle,
  type Frame,
  type FrameSource,
  idColour,
  type LabelMap,
  MaskError,
  MemoryFolder,
  OwnedFolder,
  openOutputFolder,
  openSource,
  palette,
} from '../../src/io/index.js';
import { editVideo, makeVideo } from '../io/media.js';
import { collect, errorOf, temporaryFolder } from '../io/temporary.js';

const root = temporaryFolder();
const pathOf = (...parts: string[]) => join(root, ...parts);
/** A variable frame rate. */
const TIMES = [0, 0.04, 0.1, 0.2, 0.5, 0.52];
const OBJECTS = new Map([
  [1, { name: 'Rex', label: 'dog' }],
  [3, { name: 'a "big", red one', label: 'car' }],
]);

/** Object 1 fills the columns left of 10 + index; object 3 is a block at the right, from frame 2 on. */
function labelsOf({ index, width, height }: Frame): LabelMap {
  const data = new Uint16Array(width * height);
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    if (x < 10 + index) data[i] = 1;
    else if (index >= 2 && x >= width - 8 && y >= 4 && y < 14) data[i] = 3;
  }
  return { width, height, data };
}

async function exportAll(source: FrameSource, out: string, formats: readonly ExportFormat[], from = 0) {
  const folder = await OwnedFolder.claim(openOutputFolder(out));
  const exporters = await openExporters(formats, { folder, source, objects: OBJECTS });
  for await (const frame of source.frames({ from })) {
    for (const exporter of exporters) await exporter.add(frame, labelsOf(frame));
  }
  const made: string[] = [];
  for (const exporter of exporters) if (await exporter.finish()) made.push(exporter.path);
  await folder.release();
  return { made, warnings: exporters.flatMap(({ warnings }) => warnings) };
}

const text = (...parts: string[]) => readFileSync(pathOf(...parts), 'utf8');
const json = (...parts: string[]) => JSON.parse(text(...parts));
const lines = (...parts: string[]) =>
  text(...parts)
    .trim()
    .split('\n');
const labels = (...parts: string[]) => decodeLabelPng(readFileSync(pathOf(...parts)), parts.at(-1)!);
const maskOf = (map: LabelMap, id: number) => [...map.data].map((value) => (value === id ? 1 : 0));
const frames = new Map<string, Frame[]>();

beforeAll(async () => {
  await makeVideo(pathOf('clip.mp4'), { times: TIMES, audio: 'aac' });
  const source = await openSource(pathOf('clip.mp4'));
  frames.set('clip', await collect(source));
  const formats = Object.keys(EXPORT_FORMATS) as ExportFormat[];
  const { made, warnings } = await exportAll(source, pathOf('all'), formats);
  expect(made).toEqual([
    'davis',
    'png16',
    'masks.zip',
    'coco.json',
    'youtube-vos',
    'youtube-vis.json',
    'mots.txt',
    'boxes.csv',
    'overlay.mp4',
    'overlay.gif',
    'frames',
    'cutout.webm',
    'cutout',
    'new-objects',
  ]);
  // The sound of this clip is AAC, which WebM cannot hold.
  expect(warnings).toEqual(['cutout.webm has no sound: WebM cannot hold aac audio']);
  await source.close();
});

const NAMES = TIMES.map((_, i) => `0000${i}.png`);
const expected = () => frames.get('clip')!.map(labelsOf);

describe('every format of one run over a video of variable frame rate', () => {
  test('masks of 8 and of 16 bits, and their archive', () => {
    const archive = unzipSync(readFileSync(pathOf('all', 'masks.zip')));
    expect(Object.keys(archive)).toEqual(NAMES);
    for (const folder of ['davis', 'png16']) expect(readdirSync(pathOf('all', folder)).sort()).toEqual(NAMES);
    for (const [i, map] of expected().entries()) {
      expect(labels('all', 'davis', NAMES[i]!)).toEqual(map);
      expect(labels('all', 'png16', NAMES[i]!)).toEqual(map);
      expect(decodeLabelPng(archive[NAMES[i]!]!, 'x')).toEqual(map);
    }
    // Colour type 3 with 8 bits; colour type 0 with 16.
    const head = (folder: string) => [...readFileSync(pathOf('all', folder, NAMES[0]!)).subarray(24, 26)];
    expect([head('davis'), head('png16')]).toEqual([
      [8, 3],
      [16, 0],
    ]);
  });

  test('YouTube-VOS: annotations by video, and which frames show which object', () => {
    expect(readdirSync(pathOf('all/youtube-vos/Annotations/clip')).sort()).toEqual(NAMES);
    expect(labels('all/youtube-vos/Annotations/clip/00004.png')).toEqual(expected()[4]);
    const names = NAMES.map((name) => name.slice(0, 5));
    expect(json('all/youtube-vos/meta.json')).toEqual({
      videos: {
        clip: {
          objects: { 1: { category: 'dog', frames: names }, 3: { category: 'car', frames: names.slice(2) } },
        },
      },
    });
  });

  test('YouTube-VIS: a list entry for each frame, null where the object is not to be seen', () => {
    const { videos, annotations, categories } = json('all/youtube-vis.json');
    expect(videos).toEqual([
      { id: 1, width: 64, height: 48, length: 6, file_names: NAMES.map((name) => `clip/${name.slice(0, 5)}.jpg`) },
    ]);
    expect(annotations.map(({ id, video_id, iscrowd }: never) => [id, video_id, iscrowd])).toEqual([
      [1, 1, 0],
      [3, 1, 0],
    ]);
    const name = new Map(categories.map(({ id, name }: { id: number; name: string }) => [id, name]));
    expect(annotations.map(({ category_id }: { category_id: number }) => name.get(category_id))).toEqual([
      'dog',
      'car',
    ]);
    for (const { id, segmentations, areas, bboxes } of annotations) {
      for (const [i, map] of expected().entries()) {
        const mask = maskOf(map, id);
        const area = mask.filter(Boolean).length;
        const rle: CompressedRle | null = segmentations[i];
        expect(rle && [...decodeRle(decompressRle(rle))]).toEqual(area ? mask : null);
        expect(areas[i]).toBe(area || null);
      }
      expect([segmentations, areas, bboxes].map((list) => list.length)).toEqual([6, 6, 6]);
    }
    expect(annotations[1].bboxes.slice(1, 3)).toEqual([null, [56, 4, 8, 10]]);
  });

  test('MOTS: frame, object, class, size and run lengths', () => {
    const rows = lines('all/mots.txt').map((line) => line.split(' '));
    // Class 1 is car; dog is none of the known ones.
    expect(rows.map((row) => row.slice(0, 5).join(' '))).toEqual(
      TIMES.flatMap((_, i) => [`${i} 3001 3 48 64`, ...(i >= 2 ? [`${i} 1003 1 48 64`] : [])]),
    );
    for (const row of rows) {
      const mask = decodeRle(decompressRle({ size: [48, 64], counts: row[5]! }));
      expect([...mask]).toEqual(maskOf(expected()[Number(row[0])]!, Number(row[1]) % 1000));
    }
  });

  test('boxes as CSV, with the container’s times', () => {
    const [header, ...rows] = lines('all/boxes.csv');
    expect(header).toBe('frame,name,time,id,label,object,x,y,width,height,area');
    expect(rows).toEqual(
      TIMES.flatMap((time, i) => [
        `${i},0000${i},${time.toFixed(6)},1,dog,Rex,0,0,${10 + i},48,${(10 + i) * 48}`,
        ...(i >= 2 ? [`${i},0000${i},${time.toFixed(6)},3,car,"a ""big"", red one",56,4,8,10,80`] : []),
      ]),
    );
  });

  test('COCO: the frames’ numbers and times', () => {
    const { images } = json('all/coco.json');
    expect(images.map(({ frame_index }: never) => frame_index)).toEqual([0, 1, 2, 3, 4, 5]);
    for (const [i, { time }] of images.entries()) expect(time).toBeCloseTo(TIMES[i]!, 4);
  });

  test('GIF: each frame as long as in the video, looping, with the overlay’s colours', async () => {
    const file = pathOf('all/overlay.gif');
    const { pages, delay, loop, width, pageHeight } = await sharp(file, { pages: -1 }).metadata();
    expect({ pages, loop, width, pageHeight }).toEqual({ pages: 6, loop: 0, width: 64, pageHeight: 48 });
    expect(delay!.slice(0, 5)).toEqual([40, 60, 100, 300, 20]);
    const { data } = await sharp(file, { page: 5 }).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
    const source = frames.get('clip')![5]!;
    for (const [x, id] of [
      [4, 1],
      [60, 3],
    ] as const) {
      const at = 4 * (8 * 64 + x);
      const colour = idColour(palette('samtrack'), id);
      for (let c = 0; c < 3; c++) {
        expect(Math.abs(data[at + c]! - (source.rgba[at + c]! + colour[c]!) / 2)).toBeLessThanOrEqual(16);
      }
    }
  });

  test('transparent video: VP9 with alpha, the objects alone, at the video’s times', async () => {
    const input = new Input({ source: new FilePathSource(pathOf('all/cutout.webm')), formats: ALL_FORMATS });
    const track = (await input.getPrimaryVideoTrack())!;
    expect([await track.getCodec(), await track.canBeTransparent()]).toEqual(['vp9', true]);
    let i = 0;
    for await (const sample of new VideoSampleSink(track).samples()) {
      expect(sample.timestamp).toBeCloseTo(TIMES[i]!, 2);
      const rgba = new Uint8Array(sample.allocationSize({ format: 'RGBA' }));
      await sample.copyTo(rgba, { format: 'RGBA' });
      const map = expected()[i]!;
      for (const [x, y] of [
        [2, 20],
        [30, 20],
        [60, 8],
        [60, 40],
      ] as const) {
        const at = y * 64 + x;
        const alpha = rgba[4 * at + 3]!;
        if (map.data[at]) expect(alpha).toBeGreaterThan(250);
        else expect(alpha).toBeLessThan(5);
      }
      const grey = frames.get('clip')![i]!.rgba[4 * (20 * 64 + 2)]!;
      expect(Math.abs(rgba[4 * (20 * 64 + 2)]! - grey)).toBeLessThanOrEqual(8);
      sample.close();
      i++;
    }
    expect(i).toBe(6);
    input.dispose();
  });

  test('transparent video: the sound goes along where WebM can hold it', async () => {
    await makeVideo(pathOf('opus.mkv'), { times: TIMES, audio: 'opus' });
    const source = await openSource(pathOf('opus.mkv'));
    expect((await exportAll(source, pathOf('opus'), ['cutout'])).warnings).toEqual([]);
    const input = new Input({ source: new FilePathSource(pathOf('opus/cutout.webm')), formats: ALL_FORMATS });
    const audio = (await input.getPrimaryAudioTrack())!;
    expect(await audio.getCodec()).toBe('opus');
    expect((await collect(new EncodedPacketSink(audio).packets())).length).toBeGreaterThan(10);
    input.dispose();
    await source.close();
  });

  test('pictures: with masks on them, and cut out', async () => {
    const drawn = await sharp(pathOf('all/frames/00003.png')).raw().toBuffer({ resolveWithObject: true });
    expect(drawn.info).toMatchObject({ width: 64, height: 48, channels: 3 });
    const cut = await sharp(pathOf('all/cutout/00003.png')).raw().toBuffer({ resolveWithObject: true });
    expect(cut.info.channels).toBe(4);
    const map = expected()[3]!;
    const { rgba } = frames.get('clip')![3]!;
    for (let i = 0; i < map.data.length; i++) {
      const pixel = [...cut.data.subarray(4 * i, 4 * i + 4)];
      expect(pixel).toEqual(map.data[i] ? [...rgba.subarray(4 * i, 4 * i + 3), 255] : [0, 0, 0, 0]);
    }
  });

  test('new objects where they are seen first, and no other frames', () => {
    expect(readdirSync(pathOf('all/new-objects')).sort()).toEqual(['00000.png', '00002.png']);
    expect(maskOf(labels('all/new-objects/00002.png'), 3)).toEqual(maskOf(expected()[2]!, 3));
    expect(maskOf(labels('all/new-objects/00002.png'), 1).some(Boolean)).toBe(false);
  });
});

describe('frame names are the container’s frame numbers', () => {
  const NUMBERED: ExportFormat[] = ['davis', 'csv', 'youtube-vos', 'mots'];
  const numbers = (out: string) => readdirSync(pathOf(out, 'davis')).sort();

  test('from the middle of a video', async () => {
    const source = await openSource(pathOf('clip.mp4'));
    await exportAll(source, pathOf('middle'), NUMBERED, 4);
    expect(numbers('middle')).toEqual(['00004.png', '00005.png']);
    expect(lines('middle/boxes.csv')[1]).toMatch(/^4,00004,0\.500000,/);
    expect(lines('middle/mots.txt')[0]).toMatch(/^4 3001 /);
    await source.close();
  });

  test('rotated: upright masks of every frame', async () => {
    await makeVideo(pathOf('turned.mp4'), { rotation: 90, times: TIMES });
    const source = await openSource(pathOf('turned.mp4'));
    await exportAll(source, pathOf('turned'), [...NUMBERED, 'cutout-png', 'gif']);
    expect(numbers('turned')).toEqual(NAMES);
    expect(labels('turned/davis/00005.png')).toMatchObject({ width: 48, height: 64 });
    expect((await sharp(pathOf('turned/overlay.gif')).metadata()).height).toBe(64);
    // The video's left half, grey of the frame's number, is above.
    const { data } = await sharp(pathOf('turned/cutout/00003.png')).raw().toBuffer({ resolveWithObject: true });
    expect(Math.abs(data[4 * (10 * 48 + 3)]! - 80)).toBeLessThanOrEqual(6);
    await source.close();
  });

  test('edit list: what it cuts off has no number', async () => {
    await makeVideo(pathOf('cut.mp4'), { times: Array.from({ length: 6 }, (_, i) => 1 + i / 25) });
    editVideo(pathOf('cut.mp4'), { skipFrames: 2 });
    const source = await openSource(pathOf('cut.mp4'));
    await exportAll(source, pathOf('cut'), [...NUMBERED, 'cutout-png']);
    expect(numbers('cut')).toEqual(NAMES.slice(0, 4));
    expect(lines('cut/boxes.csv')[1]).toMatch(/^0,00000,0\.000000,/);
    const { data } = await sharp(pathOf('cut/cutout/00000.png')).raw().toBuffer({ resolveWithObject: true });
    expect(Math.abs(data[4 * (10 * 64 + 3)]! - 60)).toBeLessThanOrEqual(6);
    await source.close();
  });
});

describe('more than 255 objects', () => {
  const [width, height] = [40, 10];
  const many: LabelMap = { width, height, data: Uint16Array.from({ length: 400 }, (_, i) => i + 1) };
  const frame: Frame = { index: 0, time: 0, name: '00000', width, height, rgba: new Uint8Array(1600).fill(90) };
  const source = { name: 'many', kind: 'images', width, height, frameCount: 1 } as const;

  test('16-bit masks, JSON and CSV hold them all', async () => {
    const folder = new MemoryFolder();
    const writer = await ResultWriter.open({
      folder,
      source,
      overlay: false,
      formats: ['png16', 'csv', 'youtube-vis'],
    });
    await writer.add(frame, many);
    expect(await writer.finish()).toMatchObject({
      files: ['masks', 'coco.json', 'png16', 'boxes.csv', 'youtube-vis.json', 'run.json'],
    });
    for (const path of ['masks/00000.png', 'png16/00000.png']) {
      expect(decodeLabelPng(folder.files.get(path)!, path)).toEqual(many);
    }
    const of = (path: string) => new TextDecoder().decode(folder.files.get(path));
    expect(of('boxes.csv').trim().split('\n').at(-1)).toMatch(/^0,00000,0\.000000,400,.*,39,9,1,1,1$/);
    expect(JSON.parse(of('youtube-vis.json')).annotations).toHaveLength(400);
    expect(JSON.parse(of('coco.json')).objects).toHaveLength(400);
  });

  test.each([
    ['davis', many.data[399]!, /davis\/00000\.png: object id 400 does not fit an 8-bit palette PNG/],
    ['youtube-vos', 256, /youtube-vos\/Annotations\/many\/00000\.png: object id 256 does not fit/],
    ['mots', 1000, /mots\.txt: object id 1000 does not fit MOTS/],
  ] as const)('%s refuses id %i, and nothing is cut off', async (format, id, message) => {
    const folder = new MemoryFolder();
    const [exporter] = await openExporters([format], { folder: await OwnedFolder.claim(folder), source });
    const map = { ...many, data: new Uint16Array(400) };
    map.data[7] = id;
    const error = await errorOf(() => exporter!.add(frame, map));
    expect(error).toBeInstanceOf(MaskError);
    expect(error).toMatchObject({ code: 'too-many-objects', message: expect.stringMatching(message) });
    expect([...folder.files.keys()].filter((path) => path.endsWith('.png'))).toEqual([]);
  });

  test('8-bit masks of a run are refused in the same way', async () => {
    const writer = await ResultWriter.open({ folder: new MemoryFolder(), source, overlay: false, masks: { bits: 8 } });
    await expect(writer.add(frame, many)).rejects.toThrow(
      /object id 400 does not fit an 8-bit palette PNG \(255 ids at most\)/,
    );
  });
});

test('a GIF is reduced, and leaves out frames that viewers could not show', async () => {
  const [width, height] = [960, 480];
  const folder = new MemoryFolder();
  const [gif] = await openExporters(['gif'], {
    folder: await OwnedFolder.claim(folder),
    source: { name: 'x', width, height },
  });
  const rgba = new Uint8Array(width * height * 4).fill(200);
  const map = { width, height, data: new Uint16Array(width * height) };
  for (let index = 0; index < 5; index++) {
    await gif!.add({ index, time: index / 100, duration: 0.01, name: '', width, height, rgba }, map);
  }
  await gif!.finish();
  const info = await sharp(folder.files.get('overlay.gif'), { pages: -1 }).metadata();
  expect(info).toMatchObject({ width: 480, pageHeight: 240, pages: 3, delay: [20, 20, 20] });
});

test('cut-outs keep colour around objects and nothing far from them', () => {
  const [width, height] = [64, 16];
  const data = new Uint16Array(width * height);
  data[5] = 2;
  const cut = cutOut(new Uint8Array(width * height * 4).fill(77), { width, height, data });
  const pixel = (x: number) => [...cut.subarray(4 * x, 4 * x + 4)];
  expect([pixel(5), pixel(6), pixel(31), pixel(32)]).toEqual([
    [77, 77, 77, 255],
    [77, 77, 77, 0],
    [77, 77, 77, 0],
    [0, 0, 0, 0],
  ]);
});

test('a stopped run completes what it has, and removes what has nothing', async () => {
  const source = await openSource(pathOf('clip.mp4'));
  const formats: ExportFormat[] = ['gif', 'cutout', 'csv', 'zip'];
  for (const count of [0, 2]) {
    const out = pathOf(`stopped-${count}`);
    const writer = await ResultWriter.open({
      folder: openOutputFolder(out),
      source,
      overlay: false,
      coco: false,
      formats,
    });
    for await (const frame of source.frames({ to: count })) await writer.add(frame, labelsOf(frame));
    const { files } = await writer.abort();
    expect(files).toEqual(
      count ? ['masks', 'overlay.gif', 'cutout.webm', 'boxes.csv', 'masks.zip', 'run.json'] : ['run.json'],
    );
    expect(readdirSync(out).sort()).toEqual([...files].sort());
    for (const file of files) expect(statSync(join(out, file)).size).toBeGreaterThan(0);
  }
  await source.close();
});
