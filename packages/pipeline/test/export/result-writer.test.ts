import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } from 'mediabunny';
import { describe, expect, test, vi } from 'vitest';
import { ResultWriter } from '../../src/export/index.js';
import {
  decodeLabelPng,
  drawOverlay,
  type Frame,
  type FrameSource,
  idColour,
  type LabelMap,
  openSource,
  palette,
} from '../../src/io/index.js';
import { nodeFiles, openOutputFolder } from '../../src/io/node/output-folder.js';
import { makeVideo } from '../io/media.js';
import { collect, errorOf, temporaryFolder } from '../io/temporary.js';

const root = temporaryFolder();
const pathOf = (...parts: string[]) => join(root, ...parts);

/** Object 1 fills the columns left of 10 + index. */
function labelsOf({ index, width, height }: Frame, id = 1): LabelMap {
  const data = new Uint16Array(width * height);
  for (let i = 0; i < data.length; i++) if (i % width < 10 + index) data[i] = id;
  return { width, height, data };
}

async function track(source: FrameSource, writer: ResultWriter, frames?: number): Promise<void> {
  for await (const frame of source.frames({ to: frames })) await writer.add(frame, labelsOf(frame));
}

async function audioPackets(path: string) {
  const input = new Input({ source: new FilePathSource(path), formats: ALL_FORMATS });
  const audio = await input.getPrimaryAudioTrack();
  const packets = audio ? await collect(new EncodedPacketSink(audio).packets()) : [];
  input.dispose();
  return packets.map(({ timestamp, data }) => ({ timestamp, data: [...data] }));
}

const TIMES = [0, 0.04, 0.1, 0.2, 0.5, 0.52];

describe('a whole run over a video', () => {
  test('makes the same files on another day', async () => {
    const video = pathOf('days.mp4');
    await makeVideo(video, { times: TIMES, audio: 'aac' });
    const source = await openSource(video);
    const files: Record<string, Buffer>[] = [];
    vi.useFakeTimers({ toFake: ['Date'] });
    for (const day of ['2026-01-01', '2036-07-14']) {
      vi.setSystemTime(day);
      const writer = await ResultWriter.open({ folder: openOutputFolder(pathOf(day)), source });
      await track(source, writer);
      const summary = await writer.finish();
      expect(summary.files).toContain('overlay.mp4');
      files.push(
        Object.fromEntries(['overlay.mp4', 'coco.json'].map((name) => [name, readFileSync(pathOf(day, name))])),
      );
    }
    vi.useRealTimers();
    expect(files[1]).toEqual(files[0]);
  });

  test.each(['aac', 'opus'] as const)('masks, overlay with the source’s times and %s audio, JSON', async (audio) => {
    const video = pathOf(`${audio}.mp4`);
    const out = pathOf(`out-${audio}`);
    await makeVideo(video, { times: TIMES, audio });
    const source = await openSource(video);
    const writer = await ResultWriter.open({ folder: openOutputFolder(out), source });
    await track(source, writer);
    const summary = await writer.finish();
    expect(summary).toEqual({
      frames: 6,
      complete: true,
      files: ['masks', 'coco.json', 'overlay.mp4', 'run.json'],
      warnings: [],
    });
    expect(readdirSync(out).sort()).toEqual(['coco.json', 'masks', 'overlay.mp4', 'run.json']);

    const masks = readdirSync(join(out, 'masks')).sort();
    expect(masks).toEqual(TIMES.map((_, i) => `0000${i}.png`));
    const fourth = decodeLabelPng(readFileSync(join(out, 'masks', masks[3]!)), 'x');
    expect([fourth.data[12], fourth.data[13]]).toEqual([1, 0]);

    const overlay = await openSource(join(out, 'overlay.mp4'));
    const frames = await collect(overlay);
    expect(frames).toHaveLength(6);
    for (const [i, { time }] of frames.entries()) expect(time).toBeCloseTo(TIMES[i]!, 4);
    // Inside the object: half of the source's grey, half of the object's colour.
    const colour = idColour(palette('samtrack'), 1);
    const seen = frames[5]!.rgba.subarray(4 * (20 * 64 + 4));
    for (let c = 0; c < 3; c++) expect(Math.abs(seen[c]! - (120 + colour[c]!) / 2)).toBeLessThanOrEqual(8);

    const before = await audioPackets(video);
    const after = await audioPackets(join(out, 'overlay.mp4'));
    expect(before.length).toBeGreaterThan(10);
    expect(after.map((p) => p.data)).toEqual(before.map((p) => p.data));
    for (const [i, { timestamp }] of after.entries()) expect(timestamp).toBeCloseTo(before[i]!.timestamp, 4);

    const json = JSON.parse(readFileSync(join(out, 'coco.json'), 'utf8'));
    expect(json.annotations.map((a: { area: number }) => a.area)).toEqual([10, 11, 12, 13, 14, 15].map((w) => w * 48));
    expect(json.images[4].time).toBeCloseTo(0.5, 4);
    await source.close();
    await overlay.close();
  });

  test('odd sides: the overlay is one pixel larger, the masks are not', async () => {
    const source = await openSource(await imageFolder('odd', 3, 35, 21), { fps: 10 });
    const out = pathOf('out-odd');
    const writer = await ResultWriter.open({ folder: openOutputFolder(out), source });
    await track(source, writer);
    await writer.finish();
    const overlay = await openSource(join(out, 'overlay.mp4'));
    expect(overlay).toMatchObject({ width: 36, height: 22, frameCount: 3 });
    expect(overlay.fps).toBeCloseTo(10, 3);
    expect(decodeLabelPng(readFileSync(join(out, 'masks', 'i0.png')), 'x')).toMatchObject({ width: 35, height: 21 });
    await overlay.close();
  });
});

async function imageFolder(name: string, count: number, width = 32, height = 16): Promise<string> {
  const { default: sharp } = await import('sharp');
  mkdirSync(pathOf(name));
  for (let i = 0; i < count; i++) {
    await sharp({ create: { width, height, channels: 3, background: { r: 90, g: 9 * i, b: 40 } } })
      .png()
      .toFile(pathOf(name, `i${i}.png`));
  }
  return pathOf(name);
}

describe('runs that stop', () => {
  test('abort: what there is, is finished and valid; resume brings the rest and the same results', async () => {
    const video = pathOf('stop.mp4');
    await makeVideo(video, { audio: 'aac' });
    const source = await openSource(video);
    const out = pathOf('out-stop');
    const identity = { model: 'deaot-t', weights: 'abc' };
    const first = await ResultWriter.open({ folder: openOutputFolder(out), source, identity });
    await track(source, first, 4);
    expect(await first.abort()).toMatchObject({ frames: 4, complete: false, warnings: [] });
    const cut = await openSource(join(out, 'overlay.mp4'));
    expect(await collect(cut)).toHaveLength(4);
    await cut.close();
    expect(JSON.parse(readFileSync(join(out, 'coco.json'), 'utf8')).images).toHaveLength(4);
    // The sound ends with the pictures.
    const sound = await audioPackets(join(out, 'overlay.mp4'));
    expect(sound.at(-1)!.timestamp).toBeLessThan(0.16);

    expect(await errorOf(() => ResultWriter.open({ folder: openOutputFolder(out), source, identity }))).toMatchObject({
      name: 'OutputError',
      code: 'not-empty',
    });
    const other = { folder: openOutputFolder(out), source, identity: { ...identity, model: 'deaot-s' } };
    expect(await errorOf(() => ResultWriter.open({ ...other, existing: 'resume' }))).toMatchObject({
      code: 'resume-mismatch',
      message: expect.stringContaining('model was "deaot-t" and is now "deaot-s"'),
    });

    const second = await ResultWriter.open({ folder: openOutputFolder(out), source, identity, existing: 'resume' });
    expect([...second.done]).toEqual(['00000', '00001', '00002', '00003']);
    const fileOf = (name: string) => statSync(join(out, 'masks', `${name}.png`)).ino;
    const before = [...second.done].map(fileOf);
    for await (const frame of source) {
      const labels = second.done.has(frame.name) ? await second.readDone(frame) : labelsOf(frame);
      expect(labels).toEqual(labelsOf(frame));
      await second.add(frame, labels);
    }
    expect(await second.finish()).toMatchObject({ frames: 10, complete: true });
    // Stored masks were not written again.
    expect([...second.done].map(fileOf)).toEqual(before);
    const whole = await openSource(join(out, 'overlay.mp4'));
    expect(await collect(whole)).toHaveLength(10);
    await whole.close();
    expect(JSON.parse(readFileSync(join(out, 'coco.json'), 'utf8')).images).toHaveLength(10);
    await source.close();
  });

  test('abort while a frame is being written: the frame is whole, and later ones are refused', async () => {
    const source = await openSource(await imageFolder('hasty', 2));
    const out = pathOf('out-hasty');
    const writer = await ResultWriter.open({ folder: openOutputFolder(out), source });
    const [a, b] = await collect(source);
    const adding = writer.add(a!, labelsOf(a!));
    expect(await writer.abort()).toMatchObject({ frames: 1, complete: false, warnings: [] });
    await adding;
    expect(await errorOf(() => writer.add(b!, labelsOf(b!)))).toMatchObject({ name: 'OutputError', code: 'closed' });
    const overlay = await openSource(join(out, 'overlay.mp4'));
    expect(await collect(overlay)).toHaveLength(1);
    await overlay.close();
  });

  /** What a run leaves that is killed now: all files of the folder, and a lock of a process that is gone. */
  function killedCopy(out: string, name: string): string {
    const copy = pathOf(name);
    cpSync(out, copy, { recursive: true });
    const lock = join(copy, '.samtrack.lock');
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    writeFileSync(lock, JSON.stringify({ ...JSON.parse(readFileSync(lock, 'utf8')), pid }));
    return copy;
  }

  test('a run that was killed leaves masks only, and resumes', async () => {
    const source = await openSource(await imageFolder('killed', 4));
    const running = pathOf('out-running');
    const first = await ResultWriter.open({ folder: openOutputFolder(running), source });
    await track(source, first, 2);
    const out = killedCopy(running, 'out-killed');
    expect(existsSync(join(out, 'overlay.mp4'))).toBe(false);
    const unfinished = () =>
      (readdirSync(out, { recursive: true }) as string[]).filter((name) => name.endsWith('.partial'));
    expect(unfinished().length).toBe(2);
    // Not one of ours, though it looks like one.
    const foreign = join(out, 'masks', '.i2.png.0123abcd-0.partial');
    writeFileSync(foreign, 'half');
    const second = await ResultWriter.open({ folder: openOutputFolder(out), source, existing: 'resume' });
    expect([...second.done]).toEqual(['i0', 'i1']);
    await track(source, second);
    expect(await second.finish()).toMatchObject({ frames: 4, complete: true });
    expect(unfinished()).toEqual(['masks/.i2.png.0123abcd-0.partial']);
    expect(JSON.parse(readFileSync(join(out, 'coco.json'), 'utf8')).images).toHaveLength(4);
    await first.abort();
  });

  test('replace removes what another run made, and nothing else', async () => {
    const source = await openSource(await imageFolder('replaced', 2));
    const out = pathOf('out-replaced');
    const folder = openOutputFolder(out);
    const first = await ResultWriter.open({ folder, source, overlay: false });
    await track(source, first);
    await first.finish();
    writeFileSync(join(out, 'masks', '99999.png'), 'old');
    const deleted: string[] = [];
    const second = await ResultWriter.open({
      folder,
      source,
      overlay: false,
      existing: 'replace',
      onReplace: (files) => deleted.push(...files),
    });
    expect(deleted).toEqual(['coco.json', 'masks/i0.png', 'masks/i1.png']);
    await track(source, second, 1);
    await second.finish();
    expect(readdirSync(join(out, 'masks'))).toEqual(['99999.png', 'i0.png']);
  });

  test('a run without a single frame writes no video and no JSON', async () => {
    const source = await openSource(await imageFolder('none', 1));
    const out = pathOf('out-none');
    const writer = await ResultWriter.open({ folder: openOutputFolder(out), source });
    expect(await writer.abort()).toMatchObject({ frames: 0, files: ['run.json'], warnings: [] });
    expect(readdirSync(out)).toEqual(['run.json']);
  });
});

describe('what cannot be written', () => {
  /** File operations of a disk that is full after so many bytes. */
  function smallDisk(capacity: number): typeof nodeFiles {
    let used = 0;
    const open: typeof nodeFiles.open = async (...args) => {
      const handle = await nodeFiles.open(...args);
      const write = handle.write.bind(handle) as (...args: unknown[]) => Promise<{ bytesWritten: number }>;
      handle.write = (async (data: Uint8Array, offset: number, length: number, position: number) => {
        used += length;
        if (used > capacity)
          throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
        return write(data, offset, length, position);
      }) as unknown as typeof handle.write;
      return handle;
    };
    return { ...nodeFiles, open };
  }

  test.each([
    ['while masks are written', 1500],
    ['when the video is finished', 9000],
    ['when its index is written', 15000],
    ['when its head is revised', 20000],
  ])('disk full %s: a typed error, whole masks, no half file', async (_, capacity) => {
    const video = pathOf(`full-${capacity}.mp4`);
    const noise = (i: number, x: number, y: number): [number, number, number] => {
      const v = ((x * 7919 + y * 104729 + i * 1299709) * 2654435761) >>> 24;
      return [v, v, v];
    };
    await makeVideo(video, { pixel: noise });
    const source = await openSource(video);
    const out = pathOf(`out-full-${capacity}`);
    const writer = await ResultWriter.open({ folder: openOutputFolder(out, smallDisk(capacity)), source });
    const warn = vi.spyOn(console, 'warn');
    const error = await errorOf(async () => {
      await track(source, writer);
      await writer.finish();
    });
    expect(error).toMatchObject({ name: 'OutputError', code: 'disk-full', message: expect.stringContaining(out) });
    const summary = await writer.abort();
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
    expect(summary.complete).toBe(false);
    expect(summary.warnings.join()).toContain('overlay.mp4');
    const left = readdirSync(out, { recursive: true }) as string[];
    expect(left.filter((name) => name.includes('partial'))).toEqual([]);
    expect(left).not.toContain('overlay.mp4');
    const masks = readdirSync(join(out, 'masks'));
    expect(masks.length).toBe(summary.frames);
    for (const name of masks) decodeLabelPng(readFileSync(join(out, 'masks', name)), name);
    await source.close();
  });

  test('an output path that is a file, and a device that is always full', async () => {
    const source = await openSource(await imageFolder('bad', 1));
    writeFileSync(pathOf('a-file'), 'x');
    const error = await errorOf(() => ResultWriter.open({ folder: openOutputFolder(pathOf('a-file')), source }));
    expect(error).toMatchObject({ name: 'OutputError', code: 'not-writable' });
    const { open } = nodeFiles;
    const full = { ...nodeFiles, open: async () => open('/dev/full', 'w') } as typeof nodeFiles;
    const onFull = openOutputFolder(pathOf('on-full'), full);
    expect(await errorOf(() => onFull.writeFile('a.png', Uint8Array.of(1)))).toMatchObject({ code: 'disk-full' });
  });

  test.skipIf(process.getuid?.() === 0)('a folder without write permission', async () => {
    mkdirSync(pathOf('locked'));
    chmodSync(pathOf('locked'), 0o555);
    const folder = openOutputFolder(pathOf('locked'));
    expect(await errorOf(() => folder.writeFile('a', 'x'))).toMatchObject({ code: 'not-writable' });
  });

  test('8-bit masks with an id above 255, a label map of another size, frames out of order', async () => {
    const source = await openSource(await imageFolder('wrong', 2));
    const folder = openOutputFolder(pathOf('out-wrong'));
    const writer = await ResultWriter.open({ folder, source, overlay: false, coco: false, masks: { bits: 8 } });
    const [a, b] = await collect(source);
    expect(await errorOf(() => writer.add(a!, labelsOf(a!, 256)))).toMatchObject({ code: 'too-many-objects' });
    const small = { width: 2, height: 1, data: new Uint16Array(2) };
    expect(await errorOf(() => writer.add(a!, small))).toMatchObject({ name: 'MaskError', code: 'size-mismatch' });
    await writer.add(b!, labelsOf(b!));
    expect(await errorOf(() => writer.add(a!, labelsOf(a!)))).toMatchObject({ name: 'RangeError' });
    expect(await writer.finish()).toMatchObject({ frames: 1 });
  });
});

describe('overlay', () => {
  const grey = Uint8Array.from({ length: 5 * 3 * 4 }, (_, i) => (i % 4 === 3 ? 255 : 100));
  const rows = (rgba: Uint8Array) =>
    [0, 1, 2].map((y) => [0, 1, 2, 3, 4].map((x) => rgba.subarray((y * 5 + x) * 4, (y * 5 + x) * 4 + 3).join()));
  const labels = { width: 5, height: 3, data: Uint16Array.of(0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0) };
  const colours = new Map([
    [1, [200, 0, 0] as const],
    [2, [0, 200, 0] as const],
  ]);
  const [o, _, r, g] = ['0,0,0', '100,100,100', '150,50,50', '50,150,50'];

  test('union outline: blended inside, one black pixel outside', () => {
    expect(rows(drawOverlay(grey, labels, { colours }))).toEqual([
      [_, o, o, _, _],
      [o, r, g, o, _],
      [_, o, o, _, _],
    ]);
    expect([...grey]).not.toContain(0);
  });

  test('outline of each object, and none', () => {
    expect(rows(drawOverlay(grey, labels, { colours, contour: 'object' }))[1]).toEqual([o, o, o, o, _]);
    expect(rows(drawOverlay(grey, labels, { colours, contour: 'none' }))[1]).toEqual([_, r, g, _, _]);
  });

  test('SAM-Track’s colours by default, alpha as asked', () => {
    const drawn = drawOverlay(grey, labels, { alpha: 1 });
    expect([...drawn.subarray(6 * 4, 6 * 4 + 4)]).toEqual([245, 116, 182, 255]);
  });
});
