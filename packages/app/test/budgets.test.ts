import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { expect, it } from 'vitest';
import { describeApp, leastOf } from './app.js';
import { maskPng } from './clip.js';
import { APP_FOLDER } from './folder.js';

/** Frames before which the tracker waits to be stopped, one for each try. */
const HOLDS = [3, 6, 9, 12, 15];

/** Bytes of a script as a host sends it that compresses its files once. */
const compressed = (file: string) =>
  brotliCompressSync(readFileSync(file), { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;

it('all of the page’s scripts together are under 600 kB, those of the first sight under 60', () => {
  const scripts = readdirSync(APP_FOLDER, { recursive: true, encoding: 'utf8' }).filter(
    (file) => /\.m?js$/.test(file) && file !== 'viewer.js',
  );
  const sizes = Object.fromEntries(scripts.map((file) => [file, compressed(join(APP_FOLDER, file))]));
  const total = Object.values(sizes).reduce((sum, size) => sum + size, 0);
  const first = readFileSync(join(APP_FOLDER, 'app.js'), 'utf8');
  const imported = scripts.filter((file) => file === 'app.js' || new RegExp(`from"\\./${file}"`).test(first));
  const page = imported.reduce((sum, file) => sum + sizes[file]!, 0);
  console.log(`scripts: ${Math.round(total / 1e3)} kB, at first ${Math.round(page / 1e3)} kB (brotli)`);
  expect(total).toBeLessThan(600_000);
  expect(page).toBeLessThan(60_000);
});

describeApp('the page', (open) => {
  it('can be used within two seconds, and asks nobody else for anything', async () => {
    const app = await open({ present: 'auto' });
    const seconds = await leastOf(2, async () => {
      const start = performance.now();
      await app.page.reload();
      await app.page.waitForSelector('.start h1');
      return (performance.now() - start) / 1000;
    });
    console.log(`first interaction: ${seconds.toFixed(2)} s`);
    expect(seconds).toBeLessThan(2);
    for (const name of ['Choose a file', 'Image folder', 'Camera', 'Link']) {
      expect(await app.page.getByRole('button', { name: new RegExp(name) }).isEnabled()).toBe(true);
    }
    expect(await app.page.title()).toBe('SAMTrack');
    expect(await app.page.locator('html').getAttribute('lang')).toBe('en');
  });

  it('draws twenty lanes of 2,000 frames in 4 ms', async () => {
    const app = await open();
    const median = await leastOf(4, async () => {
      const times = await app.page.evaluate(() => globalThis.samtrack.measureLanes(20, 2000));
      return times.sort((a, b) => a - b)[times.length >> 1]!;
    });
    console.log(`timeline: ${median.toFixed(2)} ms (median)`);
    expect(median).toBeLessThan(4);
  });

  it('blocks its own thread for no more than 50 ms while it tracks and is painted in, and shows at once that it was told to stop', async () => {
    const app = await open({ query: 'delay=30' });
    await app.openClip();
    await app.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
    await app.waitForObjects(2);
    await app.page.evaluate(() => {
      const tasks: number[] = [];
      Object.assign(globalThis, { tasks });
      // Tasks of the page's thread that take longer than 50 ms, whatever it is that they do.
      new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
        type: 'longtask',
      });
    });
    const longest = await leastOf(50, async () => {
      await app.page.evaluate(() => {
        (globalThis as unknown as { tasks: number[] }).tasks.length = 0;
        globalThis.samtrack.forgetReportTimes();
      });
      await app.track();
      const found = await app.page.evaluate(() => ({
        tasks: (globalThis as unknown as { tasks: number[] }).tasks,
        reports: globalThis.samtrack.reportTimes(),
      }));
      await app.page.keyboard.press('Control+z');
      await expect.poll(() => app.hash(5)).toBe('');
      return Math.max(...found.tasks, ...found.reports);
    });
    console.log(`the longest that the page was busy with itself while tracking: ${longest.toFixed(1)} ms`);
    expect(longest).toBeLessThan(50);

    await app.page.keyboard.press('d');
    const [from, to] = [await app.place(20, 32), await app.place(70, 36)];
    const painting = await leastOf(50, async () => {
      await app.page.evaluate(() => void ((globalThis as unknown as { tasks: number[] }).tasks.length = 0));
      await app.page.mouse.move(from.x, from.y);
      await app.page.mouse.down();
      await app.page.mouse.move(to.x, to.y, { steps: 300 });
      await app.page.mouse.up();
      await app.page.locator('.marks .painted').waitFor({ state: 'detached' });
      const tasks = await app.page.evaluate(() => (globalThis as unknown as { tasks: number[] }).tasks);
      return Math.max(0, ...tasks);
    });
    console.log(
      `the same while a line of 300 points is painted: ${painting.toFixed(1)} ms, what is below 50 is not counted`,
    );
    expect(painting).toBeLessThan(50);

    const other = await open({ query: `holds=${HOLDS}` });
    await other.openClip();
    await other.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
    await other.waitForObjects(2);
    // Where a run was stopped, the next one goes on.
    const holds = HOLDS.values();
    const stopped = await leastOf(50, async () => {
      const frame = holds.next().value!;
      await other.page.getByRole('button', { name: 'Track', exact: true }).click();
      await other.held(frame);
      await other.page.locator('.progress progress[value]').waitFor();
      const took = await other.page.evaluate(() => {
        const began = performance.now();
        return new Promise<number>((resolve) => {
          const observer = new MutationObserver(() => {
            if (document.querySelector('.progress progress')) return;
            observer.disconnect();
            resolve(performance.now() - began);
          });
          observer.observe(document.body, { subtree: true, childList: true });
          document.querySelector<HTMLElement>('.progress button')!.click();
        });
      });
      await other.stopping();
      await other.release(frame);
      await other.idle();
      return took;
    });
    console.log(`Stop is shown after ${stopped.toFixed(1)} ms`);
    expect(stopped).toBeLessThan(50);
  });
});
