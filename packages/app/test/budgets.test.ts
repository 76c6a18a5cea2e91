import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { expect, it } from 'vitest';
import { describeApp } from './app.js';
import { maskPng } from './clip.js';
import { APP_FOLDER } from './folder.js';

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
  it('draws twenty lanes of 2,000 frames in 4 ms', async () => {
    const app = await open();
    const times = await app.page.evaluate(() => globalThis.samtrack.measureLanes(20, 2000));
    times.sort((a, b) => a - b);
    const median = times[Math.floor(times.length / 2)]!;
    console.log(`timeline: ${median.toFixed(2)} ms (median of ${times.length})`);
    expect(median).toBeLessThan(4);
  });

  it('blocks its own thread for no more than 50 ms while it tracks', async () => {
    const app = await open({ query: 'delay=30' });
    await app.openClip();
    await app.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
    await app.waitForObjects(2);
    await app.page.evaluate(() => {
      const tasks: number[] = [];
      Object.assign(globalThis, { tasks });
      new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
        type: 'long-animation-frame',
      });
    });
    await app.track();
    const scripts = await app.page.evaluate(() => (globalThis as unknown as { tasks: number[] }).tasks);
    console.log(`long animation frames while tracking: ${scripts.map(Math.round).join(', ') || 'none'}`);
    // What the page's own scripts take for a report of the engine.
    const times = (await app.page.evaluate(() => globalThis.samtrack.reportTimes())).sort((x, y) => x - y);
    console.log(
      `reports: median ${times[times.length >> 1]!.toFixed(1)} ms, slowest ${times.at(-1)!.toFixed(1)} ms of ${times.length}`,
    );
    expect(times.at(-1)).toBeLessThan(50);
  });
});
