import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unzipSync } from 'fflate';
import { MemoryStorage, openSource, SamTrack } from 'samtrack';
import { decodeLabelPng } from 'samtrack/io';
import { expect, it } from 'vitest';
import { makeVideo } from '../../pipeline/test/io/media.js';
import { type App, describeApp } from './app.js';
import { clipZip, colourOf, labels, maskPng } from './clip.js';

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

/** A point in the red square. */
const CLICK = [16, 16] as const;

/** What a first-time user does, and the masks that come of it: drop, click, track, save. */
async function fourActions(app: App): Promise<Uint16Array[]> {
  const began = performance.now();
  await app.openClip(FRAMES);
  await app.click(...CLICK);
  await expect.poll(() => app.objects(), { timeout: 120_000 }).toEqual(['object 1']);
  const clicked = performance.now();
  await app.page.getByRole('button', { name: 'Track', exact: true }).click();
  const save = app.page.getByRole('button', { name: 'Save masks' });
  await save.waitFor({ timeout: 200_000 });
  const tracked = performance.now();
  const [download] = await Promise.all([app.page.waitForEvent('download'), save.click()]);
  const files = unzipSync(readFileSync(await download.path()));
  const seconds = (from: number, to: number) => ((to - from) / 1000).toFixed(1);
  const { device } = await app.snapshot();
  console.log(
    `four actions, ${device}: ${seconds(began, performance.now())} s, of them ${seconds(began, clicked)} s to the first mask, ` +
      `${seconds(clicked, tracked)} s to track ${FRAMES - 1} frames`,
  );
  return Object.values(files).map((png) => decodeLabelPng(png, 'mask').data as Uint16Array);
}

/** The same in Node. */
async function trackedInNode(engine: 'webgpu' | 'cpu'): Promise<Uint16Array[]> {
  const folder = mkdtempSync(join(tmpdir(), 'samtrack-app-'));
  const file = join(folder, 'shapes.zip');
  writeFileSync(file, clipZip(FRAMES));
  const st = await SamTrack.load({ engine, segmenter: 'samtrack-small', longEdge: 641 });
  try {
    const session = await st.open(await openSource(file), { project: new MemoryStorage('shapes') });
    await session.prompt({ frame: 0, points: [CLICK], labels: [1] });
    const masks = [(await session.mask(0))!.data.slice()];
    for await (const { frame, mask } of session.propagate()) if (frame > 0) masks.push(mask.data.slice());
    return masks;
  } finally {
    await st.dispose();
    rmSync(folder, { recursive: true });
  }
}

async function expectMasks(masks: readonly Uint16Array[], expected: readonly Uint16Array[]): Promise<void> {
  expect([masks.length, expected.length]).toEqual([FRAMES, FRAMES]);
  for (const [frame, mask] of masks.entries()) {
    expect(iou(mask, labels(frame), 1), `frame ${frame}`).toBeGreaterThan(0.8);
    const equal = mask.filter((id, i) => id === expected[frame]![i]).length;
    expect(equal / mask.length, `frame ${frame}`).toBeGreaterThan(0.999);
  }
}

describeApp(
  'without a GPU',
  (open) => {
    it('four actions on the processor give the masks that Node’s gives', { timeout: 300_000 }, async () => {
      const app = await open({ engine: 'auto' });
      await expectMasks(await fourActions(app), await trackedInNode('cpu'));
    });
  },
  { flags: [] },
);

describeApp(
  'the networks that come with the page',
  (open) => {
    // In one page, since their shaders take Chromium's software longer than all else.
    it('give in four actions the masks of Node, and go on after the GPU process has crashed', {
      timeout: 600_000,
    }, async () => {
      const app = await open({ engine: 'webgpu', expected: /lost|GPU|device|CONTEXT_LOST|WebGL/i });
      await expectMasks(await fourActions(app), await trackedInNode('webgpu'));
      const crash = async () => {
        const session = await app.context.browser()!.newBrowserCDPSession();
        // It has no process left to answer from.
        await session.send('Browser.crashGpuProcess').catch(() => {});
        await session.detach();
      };
      // What is to come about again.
      const undisturbed = await app.hashes(FRAMES);
      await app.page.keyboard.press('Control+z');
      await expect.poll(() => app.hash(FRAMES - 1)).toBe('');
      const { runs } = await app.snapshot();
      await app.page.getByRole('button', { name: 'Track', exact: true }).click();
      await expect.poll(() => app.hash(1), { timeout: 100_000, interval: 50 }).not.toBe('');
      const before = await app.hash(1);
      await crash();
      await app.page.getByText('The GPU was lost, and is back').first().waitFor({ timeout: 100_000 });
      await expect.poll(async () => (await app.snapshot()).runs, { timeout: 100_000, interval: 500 }).toBe(runs + 1);
      expect(await app.hashes(FRAMES)).toEqual(undisturbed);
      // The picture is there again, on another canvas.
      await app.goTo(0);
      await expect
        .poll(async () => (await app.colourAt(50, 4)).map((value) => Math.round(value / 4)))
        .toEqual([30, 30, 28]);
      // The browser gives WebGPU up after the second time.
      await crash();
      await app.page.keyboard.press('1');
      await app.page.keyboard.press('d');
      await app.click(16, 30);
      await app.page.getByText(/frames are older than your change/).waitFor();
      await app.page.keyboard.press('f');
      await app.page.getByRole('heading', { name: 'The GPU is gone' }).waitFor({ timeout: 60_000 });
      await app.page.getByRole('button', { name: 'Look at it and export' }).click();
      expect(await app.hash(1)).toBe(before);
      await app.page.getByRole('button', { name: 'Export', exact: true }).click();
      await Promise.all([
        app.page.waitForEvent('download'),
        app.page.getByRole('dialog').getByRole('button', { name: /^Save/ }).click(),
      ]);
    });
  },
  { alone: true },
);

describeApp('an element in another page', (open) => {
  it('tracks five frames with one script, and frees the GPU when it is taken out', { timeout: 300_000 }, async () => {
    const app = await open();
    const page = await app.context.newPage();
    await page.addInitScript(`globalThis.devices = new Set(); globalThis.opened = 0;
      const { requestDevice } = GPUAdapter.prototype;
      GPUAdapter.prototype.requestDevice = async function (...given) {
        const device = await requestDevice.apply(this, given);
        devices.add(device);
        opened++;
        device.lost.then(() => devices.delete(device));
        return device;
      };
      addEventListener('samtrack-done', () => (globalThis.done = true), true);
      globalThis.frames = []; addEventListener('samtrack-frame', ({ detail }) => frames.push(detail.ids.join()), true);
      addEventListener('samtrack-error', ({ detail }) => (globalThis.failure = String(detail)), true);`);
    // The example as it is, with a smaller clip in the place of the bundled one.
    const folder = mkdtempSync(join(tmpdir(), 'samtrack-embed-'));
    const clip = join(folder, 'clip.mp4');
    const times = Array.from({ length: 8 }, (_, i) => i / 24);
    await makeVideo(clip, { width: 96, height: 64, times, pixel: (frame, x, y) => [...colourOf(frame, x, y)] });
    await page.route('**/demo/clip.mp4', (route) => route.fulfill({ path: clip }));
    await page.route('**/demo/first-mask.png', (route) => route.fulfill({ body: Buffer.from(maskPng(0)) }));
    await page.goto(`${app.origin}/embed.html`);
    await page.evaluate(
      () => void (document.querySelector('samtrack-viewer') as unknown as { track(): Promise<void> }).track(),
    );
    await page.waitForFunction(() => 'done' in globalThis || 'failure' in globalThis, undefined, { timeout: 280_000 });
    expect(await page.evaluate(() => (globalThis as { failure?: string }).failure)).toBeUndefined();
    expect(await page.evaluate(() => (globalThis as unknown as { frames: string[] }).frames)).toEqual(
      Array(5).fill('1,2'),
    );
    rmSync(folder, { recursive: true });
    const devices = () =>
      page.evaluate(() => {
        const { opened, devices } = globalThis as unknown as { opened: number; devices: Set<unknown> };
        return [opened, devices.size];
      });
    expect(await devices()).toEqual([1, 1]);
    await page.evaluate(() => document.querySelector('samtrack-viewer')!.remove());
    await expect.poll(devices).toEqual([1, 0]);
  });

  it('has a page that is one script and one element', () => {
    const html = readFileSync(fileURLToPath(new URL('../static/embed.html', import.meta.url)), 'utf8');
    expect(html.match(/<script/g)).toHaveLength(1);
  });
});
