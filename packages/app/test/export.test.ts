import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import { decodeLabelPng, decompressRle, rleArea } from 'samtrack/io';
import { expect, it } from 'vitest';
import { type App, describeApp } from './app.js';
import { CLIP, labels, maskPng, picture } from './clip.js';

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

  it('gives a video with the masks on it', async () => {
    const app = await open();
    await tracked(app);
    const { name, bytes } = await save(app, 'Overlay');
    expect(name).toBe('shapes-overlay.mp4');
    expect(bytes.subarray(4, 8).toString()).toBe('ftyp');
    await app.drop({ name, bytes, type: 'video/mp4' });
    await expect.poll(() => app.page.title()).toMatch(/^shapes-overlay/);
    expect(await app.page.locator('.lane-box').getAttribute('aria-valuemax')).toBe(String(CLIP.frames - 1));
  });

  it('gives a transparent video, under the strict policy', async () => {
    const app = await open();
    await tracked(app);
    const { name, bytes } = await save(app, 'Cut-out WebM');
    expect(name).toBe('shapes-cutout.webm');
    expect(bytes.subarray(0, 4)).toEqual(Buffer.from([0x1a, 0x45, 0xdf, 0xa3]));
  });

  it('says what is missing, and gives nothing where there is nothing', async () => {
    const app = await open();
    await app.openClip();
    await app.click(12, 12);
    await app.waitForObjects(1);
    await app.page.getByRole('button', { name: 'Export', exact: true }).click();
    expect(await app.page.getByRole('dialog').innerText()).toMatch(/23 of 24 frames have no masks yet/);
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
    await other.drop({ name: 'shapes.samtrack.zip', bytes });
    await other.ready();
    expect(await other.objects()).toEqual(['object 1', 'object 2']);
    expect(await other.hashes(CLIP.frames)).toEqual(before);
    await other.page.keyboard.press('Control+z');
    await expect.poll(() => other.hash(CLIP.frames - 1)).toBe('');
  });

  it('refuses what is no project, and opens nothing', async () => {
    const app = await open();
    await app.drop({ name: 'bad.samtrack', bytes: new TextEncoder().encode('PK nothing') });
    await expect.poll(async () => (await app.notices()).join()).toMatch(/bad\.samtrack: it is no readable archive/);
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
    expect(await dialog.locator('.uplot').count()).toBe(1);
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
    const { jf } = summarise(scores.objects);
    expect(await dialog.locator('tbody tr').first().locator('td').first().innerText()).toBe((100 * jf).toFixed(1));
  });
});
