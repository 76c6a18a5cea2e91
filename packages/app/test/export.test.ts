import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { unzipSync, zipSync } from 'fflate';
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input, VideoSampleSink } from 'mediabunny';
import { decodeLabelPng, decompressRle, prepareCodecs, rleArea } from 'samtrack/io';
import { expect, it } from 'vitest';
import { makeVideo } from '../../pipeline/test/io/media.js';
import { type App, describeApp } from './app.js';
import { CLIP, clipZip, labels, maskPng, picture } from './clip.js';

async function tracked(app: App): Promise<void> {
  await app.openClip();
  await app.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
  await app.waitForObjects(2);
  await app.track();
}

/** Exports some formats, and gives the file that the user gets. */
async function save(app: App, ...formats: string[]): Promise<{ name: string; bytes: Buffer }> {
  await app.page.getByRole('button', { name: 'Export', exact: true }).click();
  const dialog = app.page.getByRole('dialog', { name: 'Export' });
  await dialog.waitFor();
  const boxes = dialog.getByRole('checkbox');
  for (let i = 0; i < (await boxes.count()); i++) await boxes.nth(i).setChecked(false);
  for (const format of formats) await dialog.getByRole('checkbox', { name: new RegExp(`^${format}`) }).check();
  const [download] = await Promise.all([
    app.page.waitForEvent('download'),
    dialog.getByRole('button', { name: /^Save/ }).click(),
  ]);
  await dialog.getByRole('button', { name: 'Close' }).click();
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

interface VideoFrameData {
  timestamp: number;
  /** Red, green, blue and alpha. */
  pixel: (x: number, y: number) => number[];
}

/** In the engine's worker: of an export's pictures the fourth waits until it is told. */
const HOLD_PICTURES = `(() => {
  const { createWritable } = FileSystemFileHandle.prototype;
  const told = new Promise((resolve) => (new BroadcastChannel('pictures').onmessage = resolve));
  let count = 0;
  FileSystemFileHandle.prototype.createWritable = async function (...given) {
    if (/^\\d+\\.png$/.test(this.name) && ++count === 4) await told;
    return createWritable.apply(this, given);
  };
})()`;

/** Frames of a video file. */
async function* framesOf(bytes: Uint8Array): AsyncGenerator<VideoFrameData> {
  await prepareCodecs();
  using input = new Input({ source: new BufferSource(bytes), formats: ALL_FORMATS });
  const track = (await input.getPrimaryVideoTrack())!;
  for await (const sample of new VideoSampleSink(track).samples()) {
    const { timestamp, codedWidth } = sample;
    const rgba = new Uint8Array(sample.allocationSize({ format: 'RGBA' }));
    await sample.copyTo(rgba, { format: 'RGBA' });
    sample.close();
    yield { timestamp, pixel: (x, y) => [...rgba.subarray(4 * (y * codedWidth + x), 4 * (y * codedWidth + x) + 4)] };
  }
}

/** Packets of a file's sound: time and bytes. */
async function soundOf(bytes: Uint8Array): Promise<string[]> {
  using input = new Input({ source: new BufferSource(bytes), formats: ALL_FORMATS });
  const track = (await input.getPrimaryAudioTrack())!;
  const packets: string[] = [];
  for await (const { timestamp, data } of new EncodedPacketSink(track).packets()) {
    packets.push(`${timestamp.toFixed(4)} ${Buffer.from(data).toString('base64')}`);
  }
  return packets;
}

describeApp('export', (open) => {
  it('gives masks as an archive of palette PNGs, the pixels that were tracked', async () => {
    const app = await open();
    await tracked(app);
    const { name, bytes } = await save(app, 'PNG masks');
    expect(name).toBe('shapes-masks.zip');
    const files = unzipSync(bytes);
    expect(Object.keys(files)).toEqual(
      Array.from({ length: CLIP.frames }, (_, i) => `${String(i).padStart(5, '0')}.png`),
    );
    expect(decodeLabelPng(files['00000.png']!, 'mask').data).toEqual(Uint16Array.from(labels(0)));
    expect(new Set(decodeLabelPng(files['00015.png']!, 'mask').data)).toEqual(new Set([0, 1]));
  });

  it('gives data sets, several at once', async () => {
    const app = await open();
    await tracked(app);
    const { name, bytes } = await save(app, 'COCO', 'Boxes', 'DAVIS');
    expect(name).toBe('shapes.zip');
    const files = unzipSync(bytes);
    expect(Object.keys(files)).toContain('boxes.csv');
    const coco = JSON.parse(new TextDecoder().decode(files['coco.json']));
    expect(coco.images).toHaveLength(CLIP.frames);
    const first = coco.annotations.find(
      (a: { image_id: number; track_id: number }) => a.image_id === 1 && a.track_id === 1,
    );
    expect(rleArea(decompressRle(first.segmentation))).toBe(labels(0).filter((id) => id === 1).length);
    expect(Object.keys(files).filter((path) => path.startsWith('davis/'))).toHaveLength(CLIP.frames);
  });

  it('gives a video with the masks on it, each frame at its time', async () => {
    const app = await open();
    await tracked(app);
    const { name, bytes } = await save(app, 'Overlay');
    expect(name).toBe('shapes-overlay.mp4');
    const times: number[] = [];
    const colours: number[][] = [];
    for await (const { timestamp, pixel } of framesOf(bytes)) {
      times.push(timestamp);
      colours.push([pixel(12, 12), pixel(50, 4)].flat());
    }
    expect(times).toHaveLength(CLIP.frames);
    for (const [i, time] of times.entries()) expect(Math.abs(time - i / 24)).toBeLessThan(1e-4);
    // The square is tinted, what is beside it is not.
    const [red, green, , , grey] = colours[0]!.slice(0, 8) as [number, number, number, number, number];
    expect(Math.abs(grey - 120)).toBeLessThan(8);
    expect(Math.hypot(red - 220, green - 50)).toBeGreaterThan(40);
    await app.opens({ name, bytes, type: 'video/mp4' });
    expect(await app.page.title()).toMatch(/^shapes-overlay/);
    expect(await app.page.locator('.lane-box').getAttribute('aria-valuemax')).toBe(String(CLIP.frames - 1));
  });

  it('gives a transparent video, under the strict policy: opaque in the objects, clear beside them', async () => {
    const app = await open();
    await tracked(app);
    const { name, bytes } = await save(app, 'Cut-out WebM');
    expect(name).toBe('shapes-cutout.webm');
    let index = 0;
    for await (const { pixel } of framesOf(bytes)) {
      const left = 8 + 2 * index;
      expect(pixel(left + 8, 16)[3], `square in frame ${index}`).toBeGreaterThan(250);
      expect(pixel(left + 8, 34)[3], `beside it in frame ${index}`).toBeLessThan(5);
      index++;
    }
    expect(index).toBe(CLIP.frames);
  });

  it('keeps the sound, packet by packet, and says where a format cannot hold it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'samtrack-sound-'));
    try {
      const path = join(folder, 'tone.mp4');
      await makeVideo(path, { width: 96, height: 64, audio: 'aac' });
      const app = await open();
      await app.opens({ name: 'tone.mp4', bytes: readFileSync(path) });
      await app.page.keyboard.press('d');
      await app.click(20, 20);
      await app.waitForObjects(1);
      await app.track();
      const { bytes } = await save(app, 'Overlay');
      const [expected, packets] = [await soundOf(readFileSync(path)), await soundOf(bytes)];
      expect(packets.length).toBeGreaterThan(10);
      expect(packets).toEqual(expected);
      await save(app, 'Cut-out WebM');
      await expect.poll(() => app.notices()).toContainEqual(expect.stringMatching(/no sound.*aac/));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('stops when it is told to, and leaves no part of a file', async () => {
    const app = await open({ beforeEngine: HOLD_PICTURES });
    await tracked(app);
    await app.page.getByRole('button', { name: 'Export', exact: true }).click();
    const dialog = app.page.getByRole('dialog', { name: 'Export' });
    await dialog.getByRole('checkbox', { name: /^Cut-out pictures/ }).check();
    await dialog.getByRole('button', { name: /^Save/ }).click();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    // What is asked later is answered later.
    await app.snapshot();
    await app.page.evaluate(() => new BroadcastChannel('pictures').postMessage('go on'));
    await dialog.getByRole('button', { name: /^Save/ }).waitFor();
    const left = () =>
      app.page.evaluate(async () => {
        const root = await navigator.storage.getDirectory();
        const exports = await (await root.getDirectoryHandle('samtrack')).getDirectoryHandle('exports');
        const files: string[] = [];
        for await (const name of exports.keys()) files.push(name);
        return files;
      });
    await expect.poll(left).toEqual([]);
    expect((await app.notices()).filter((text) => !/^first\.png/.test(text))).toEqual([]);
  });

  it('cuts no id short: more than 255 objects take 16 bits, or are refused', async () => {
    const app = await open();
    await app.openClip();
    const data = Uint16Array.from(labels(0), (id) => (id === 2 ? 300 : id));
    const mask = encode({ width: CLIP.width, height: CLIP.height, data, depth: 16, channels: 1 });
    await app.drop({ name: 'many.png', bytes: mask, type: 'image/png' });
    await app.waitForObjects(2);
    for (const format of ['16-bit PNG', 'PNG masks']) {
      const { bytes } = await save(app, format);
      const [[path, png]] = Object.entries(unzipSync(bytes)) as [[string, Uint8Array]];
      expect(path).toMatch(/00000\.png$/);
      expect(decodeLabelPng(png, 'mask').data).toEqual(data);
    }
    await app.page.getByRole('button', { name: 'Export', exact: true }).click();
    const dialog = app.page.getByRole('dialog', { name: 'Export' });
    await dialog.getByRole('checkbox', { name: /^YouTube-VOS/ }).check();
    await dialog.getByRole('button', { name: /^Save/ }).click();
    await expect.poll(async () => (await app.notices()).join()).toMatch(/255/);
  });

  it('says what is missing, and gives nothing where there is nothing', async () => {
    const app = await open();
    await app.openClip();
    await app.click(12, 12);
    await app.waitForObjects(1);
    await app.page.getByRole('button', { name: 'Export', exact: true }).click();
    expect(await app.page.getByRole('dialog').textContent()).toMatch(/23 of 24 frames have no masks yet/);
  });

  it('says how much is older than a change, and two exports of the same are two files', async () => {
    const app = await open();
    await tracked(app);
    await app.goTo(10);
    await app.page.keyboard.press('2');
    await app.page.keyboard.press('d');
    await app.click(60, 44);
    await app.page.getByText(/^13 frames are older than your change/).waitFor();
    await app.page.keyboard.press('Control+Shift+e');
    const dialog = app.page.getByRole('dialog', { name: 'Export' });
    await dialog.getByText('13 frames are older than your newest change.').waitFor();
    // Of the marked range only.
    await app.page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await app.goTo(19);
    await app.page.keyboard.press('o');
    await app.page.keyboard.press('Control+Shift+e');
    await dialog.getByText('9 frames are older than your newest change.').waitFor();
    const paths: string[] = [];
    for (let i = 0; i < 2; i++) {
      const [download] = await Promise.all([
        app.page.waitForEvent('download'),
        dialog.getByRole('button', { name: /^Save/ }).click(),
      ]);
      paths.push(await download.path());
    }
    const [first, second] = paths.map((path) => readFileSync(path));
    expect(Object.keys(unzipSync(first!))).toHaveLength(20);
    expect(first!.equals(second!)).toBe(true);
    expect(paths[0]).not.toBe(paths[1]);
  });

  it('gives the project, which opens as it was', async () => {
    const app = await open();
    await tracked(app);
    const before = await app.hashes(CLIP.frames);
    await app.page.getByRole('button', { name: 'Export', exact: true }).click();
    const [download] = await Promise.all([
      app.page.waitForEvent('download'),
      app.page.getByRole('dialog').getByRole('button', { name: 'Project' }).click(),
    ]);
    const bytes = readFileSync(await download.path());
    expect(download.suggestedFilename()).toBe('shapes.samtrack.zip');
    const other = await open();
    await other.opens({ name: 'shapes.samtrack.zip', bytes });
    expect(await other.objects()).toEqual(['object 1', 'object 2']);
    expect(await other.hashes(CLIP.frames)).toEqual(before);
    await other.page.keyboard.press('Control+z');
    await expect.poll(() => other.hash(CLIP.frames - 1)).toBe('');
    // The command line's file by itself: masks are computed again, and the video is asked for.
    const plain = unzipSync(bytes)['shapes.samtrack']!;
    await other.drop({ name: 'shapes.samtrack', bytes: plain });
    await other.page.getByRole('heading', { name: 'Choose “shapes” again' }).waitFor();
    await other.opens({ name: 'shapes.zip', bytes: clipZip(), type: 'application/zip' });
    expect(await other.hashes(CLIP.frames)).toEqual(before);
  });

  it('refuses what is no project, and opens nothing', async () => {
    const app = await open();
    await app.drop({ name: 'bad.samtrack', bytes: new TextEncoder().encode('PK nothing') });
    await expect.poll(async () => (await app.notices()).join()).toMatch(/bad\.samtrack: it is no project of samtrack/);
    const newer = { format: 'samtrack-session', version: 2, source: { name: 'a', width: 2, height: 2 } };
    await app.drop({ name: 'newer.samtrack', bytes: new TextEncoder().encode(`${JSON.stringify(newer)}\n`) });
    await expect
      .poll(async () => (await app.notices()).join())
      .toMatch(/newer\.samtrack: it is of version 2; this page reads version 1/);
    // Ten million zeros, packed to almost nothing.
    const bomb = zipSync({ 'a.samtrack': new Uint8Array(1e7) }, { level: 9 });
    await app.drop({ name: 'bomb.samtrack', bytes: bomb });
    await expect
      .poll(async () => (await app.notices()).join())
      .toMatch(/bomb\.samtrack: what is packed in it is too large/);
    expect((await app.snapshot()).project).toBeUndefined();
  });

  it('scores a dropped DAVIS folder in place, with a table and curves', async () => {
    const app = await open();
    const name = (frame: number) => `${String(frame).padStart(5, '0')}.png`;
    const files = Array.from({ length: 8 }, (_, frame) => [
      { path: `D/JPEGImages/480p/shapes/${name(frame)}`, bytes: picture(frame) },
      { path: `D/Annotations/480p/shapes/${name(frame)}`, bytes: maskPng(frame) },
      { path: `D/results/shapes/${name(frame)}`, bytes: maskPng(Math.max(0, frame - 1)) },
    ]).flat();
    await app.page.evaluate(
      async (given) => {
        for (const { path, data } of given) {
          const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
          const file = new File([bytes], path.split('/').at(-1)!, { type: 'image/png' });
          Object.defineProperty(file, 'webkitRelativePath', { value: path });
          (globalThis as { dropped?: File[] }).dropped ??= [];
          (globalThis as { dropped?: File[] }).dropped!.push(file);
        }
        await globalThis.samtrack.openFiles((globalThis as { dropped?: File[] }).dropped!);
      },
      files.map(({ path, bytes }) => ({ path, data: Buffer.from(bytes).toString('base64') })),
    );
    const dialog = app.page.getByRole('dialog', { name: 'Scores' });
    await dialog.waitFor();
    await expect.poll(() => dialog.locator('.uplot').count()).toBe(1);
    const { evaluateSequence, summarise } = await import('samtrack/metrics');
    const map = (frame: number) => async () => ({
      width: CLIP.width,
      height: CLIP.height,
      data: Uint16Array.from(labels(frame)),
    });
    const scores = await evaluateSequence(
      'shapes',
      Array.from({ length: 8 }, (_, frame) => ({
        name: name(frame),
        truth: map(frame),
        result: map(Math.max(0, frame - 1)),
      })),
    );
    const expected = summarise(scores.objects);
    const row = dialog.locator('tbody tr').first().locator('td');
    expect(await row.first().textContent()).toBe((100 * expected.jf).toFixed(1));
    const [download] = await Promise.all([
      app.page.waitForEvent('download'),
      dialog.getByRole('button', { name: /^Save/ }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('scores.json');
    const report = JSON.parse(readFileSync(await download.path(), 'utf8'));
    const [sequence] = report.sequences;
    const near = (found: readonly number[], wanted: readonly number[]) => {
      expect(found).toHaveLength(wanted.length);
      for (const [i, value] of wanted.entries()) expect(Math.abs(found[i]! - value)).toBeLessThan(1e-6);
    };
    const figures = ({ jf, j, f }: typeof expected) => [
      jf,
      ...[j, f].flatMap(({ mean, recall, decay }) => [mean, recall, decay]),
    ];
    near(figures(sequence), figures(expected));
    near(figures(report), figures(expected));
    expect(sequence.frames.map((frame: string) => `${frame}.png`)).toEqual(scores.frames);
    for (const [i, { id, j, f }] of scores.objects.entries()) {
      expect(sequence.objects[i].id).toBe(id);
      near(sequence.objects[i].j, j);
      near(sequence.objects[i].f, f);
    }
  });
});
