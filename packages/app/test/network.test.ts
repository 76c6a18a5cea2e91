import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unzipSync } from 'fflate';
import { MemoryStorage, openSource, SamTrack } from 'samtrack';
import { decodeLabelPng } from 'samtrack/io';
import { expect, it } from 'vitest';
import { describeApp } from './app.js';
import { CLIP, clipZip, labels, maskPng } from './clip.js';

/** So few that the software adapter is through with them soon. */
const FRAMES = 4;

const iou = (a: ArrayLike<number>, b: ArrayLike<number>, id: number) => {
  let [both, either] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    if (a[i] === id && b[i] === id) both++;
    if (a[i] === id || b[i] === id) either++;
  }
  return both / either;
};

/** The same in Node. */
async function trackedInNode(): Promise<Uint16Array[]> {
  const folder = mkdtempSync(join(tmpdir(), 'samtrack-app-'));
  const file = join(folder, 'shapes.zip');
  writeFileSync(file, clipZip(FRAMES));
  const st = await SamTrack.load();
  try {
    const session = await st.open(await openSource(file), { project: new MemoryStorage('shapes') });
    const mask = { width: CLIP.width, height: CLIP.height, data: Uint16Array.from(labels(0)) };
    await session.prompt({ frame: 0, mask });
    const masks: Uint16Array[] = [];
    for await (const result of session.propagate()) masks.push(result.mask.data.slice());
    return masks;
  } finally {
    await st.dispose();
    rmSync(folder, { recursive: true });
  }
}

describeApp('the network in the page', (open) => {
  it('tracks a mask with the weights that come with the page', { timeout: 300_000 }, async () => {
    const app = await open({ engine: 'network' });
    await app.drop({ name: 'shapes.zip', bytes: clipZip(FRAMES), type: 'application/zip' });
    await app.ready();
    await app.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
    await app.waitForObjects(2);
    await app.page.getByRole('button', { name: 'Track', exact: true }).click();
    await expect.poll(() => app.hash(FRAMES - 1), { timeout: 240_000, interval: 1000 }).not.toBe('');
    await app.idle();
    await app.page.getByRole('button', { name: 'Export', exact: true }).click();
    const [download] = await Promise.all([
      app.page.waitForEvent('download'),
      app.page.getByRole('dialog').getByRole('button', { name: /^Save/ }).click(),
    ]);
    const masks = Object.values(unzipSync(readFileSync(await download.path()))).map(
      (png) => decodeLabelPng(png, 'mask').data,
    );
    expect(masks).toHaveLength(FRAMES);
    const truth = labels(FRAMES - 1);
    for (const id of [1, 2]) expect(iou(masks.at(-1)!, truth, id), `object ${id}`).toBeGreaterThan(0.7);
    for (const [frame, expected] of (await trackedInNode()).entries()) {
      const equal = expected.filter((id, i) => id === masks[frame]![i]).length;
      expect(equal / expected.length, `frame ${frame}`).toBeGreaterThan(0.999);
    }
  });

  it('goes on after the GPU process has crashed', { timeout: 300_000 }, async () => {
    const app = await open({ engine: 'network', expected: /lost|GPU|device|CONTEXT_LOST|WebGL/i });
    await app.drop({ name: 'shapes.zip', bytes: clipZip(FRAMES), type: 'application/zip' });
    await app.ready();
    await app.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
    await app.waitForObjects(2);
    await app.page.getByRole('button', { name: 'Track', exact: true }).click();
    await expect.poll(() => app.hash(1), { timeout: 200_000, interval: 500 }).not.toBe('');
    const before = await app.hash(1);
    const session = await app.context.browser()!.newBrowserCDPSession();
    await session.send('Browser.crashGpuProcess').catch(() => {});
    await expect.poll(() => app.hash(FRAMES - 1), { timeout: 240_000, interval: 1000 }).not.toBe('');
    expect(await app.hash(1)).toBe(before);
  });
});

describeApp('an element in another page', (open) => {
  it('tracks five frames with one script, and frees the GPU when it is taken out', { timeout: 300_000 }, async () => {
    const app = await open();
    const page = await app.context.newPage();
    await page.addInitScript(`addEventListener('samtrack-done', () => (globalThis.done = true), true);
      globalThis.frames = []; addEventListener('samtrack-frame', ({ detail }) => frames.push(detail.ids.join()), true);
      addEventListener('samtrack-error', ({ detail }) => (globalThis.failure = String(detail)), true);`);
    await page.goto(`${app.origin}/embed.html`);
    await page.evaluate(
      () => void (document.querySelector('samtrack-viewer') as unknown as { track(): Promise<void> }).track(),
    );
    await page.waitForFunction(() => 'done' in globalThis || 'failure' in globalThis, undefined, { timeout: 280_000 });
    expect(await page.evaluate(() => (globalThis as { failure?: string }).failure)).toBeUndefined();
    expect(await page.evaluate(() => (globalThis as unknown as { frames: string[] }).frames)).toEqual(
      Array(5).fill('1,2,3'),
    );
    await page.evaluate(() => document.querySelector('samtrack-viewer')!.remove());
  });

  it('has a page that is one script and one element', () => {
    const html = readFileSync(fileURLToPath(new URL('../static/embed.html', import.meta.url)), 'utf8');
    expect(html.match(/<script/g)).toHaveLength(1);
  });
});
