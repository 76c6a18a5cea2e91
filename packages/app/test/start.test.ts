import { fileURLToPath } from 'node:url';
import { type Frame, openSource, type VideoSource } from 'samtrack';
import { expect, it } from 'vitest';
import { describeApp } from './app.js';
import { CLIP, clipZip, maskPng } from './clip.js';

/** Four places of a picture, and their colours, around which it has hardly an edge: the screen shows it larger. */
function flatPlaces({ width, height, rgba }: Frame): { x: number; y: number; colour: readonly number[] }[] {
  const at = (x: number, y: number) => [...rgba.subarray(4 * (y * width + x), 4 * (y * width + x) + 3)];
  const around = [-3, 0, 3].flatMap((dy) => [-3, 0, 3].map((dx) => [dx, dy] as const));
  const places: { x: number; y: number; colour: readonly number[]; edge: number }[] = [];
  for (let y = 10; y < height - 10; y += 12) {
    for (let x = 10; x < width - 10; x += 12) {
      const colour = at(x, y);
      const edge = Math.max(
        ...around.flatMap(([dx, dy]) => at(x + dx, y + dy).map((c, i) => Math.abs(c - colour[i]!))),
      );
      places.push({ x, y, colour, edge });
    }
  }
  places.sort((a, b) => a.edge - b.edge);
  const chosen: typeof places = [];
  for (const place of places) {
    const isNew = (other: typeof place) => place.colour.some((c, i) => Math.abs(c - other.colour[i]!) > 30);
    if (chosen.length < 4 && chosen.every(isNew)) chosen.push(place);
  }
  return chosen;
}

describeApp('the page', (open) => {
  it('opens the demo clip with its 60 frames, as it is in Node', async () => {
    const app = await open({ present: 'auto' });
    await app.page.getByRole('button', { name: /Try the demo clip/ }).click();
    await app.ready();
    expect(await app.page.title()).toBe('Demo clip · SAMTrack');
    // What the same file is in Node: every time to the microsecond, and the first picture.
    const clip = await openSource(fileURLToPath(new URL('../../../demo/clip.mp4', import.meta.url)));
    const { timestamps } = clip as VideoSource;
    const first: Frame[] = [];
    for await (const frame of clip.frames({ from: 0, to: 1 })) first.push(frame);
    await clip.close();
    const micro = (times: Iterable<number>) => [...times].map((time) => Math.round(1e6 * time));
    expect(micro(await app.page.evaluate(() => globalThis.samtrack.times()))).toEqual(micro(timestamps));
    expect(micro(timestamps)).toEqual(micro(Array.from({ length: 60 }, (_, i) => i / 24)));
    for (const { x, y, colour } of flatPlaces(first[0]!)) {
      await expect
        .poll(async () => Math.max(...(await app.drawnAt(x + 0.5, y + 0.5)).map((c, i) => Math.abs(c - colour[i]!))))
        .toBeLessThanOrEqual(4);
    }
    expect(await app.page.locator('.lane-box').getAttribute('aria-valuetext')).toMatch(/^frame 0 of 59, /);
    await app.page.keyboard.press('End');
    await app.showing(59);
    expect((await app.snapshot()).time).toBeCloseTo(59 / 24, 6);
  });

  it('opens a zip of pictures', async () => {
    const app = await open({ present: 'auto' });
    await app.openClip();
    expect(await app.page.locator('.lane-box').getAttribute('aria-valuemax')).toBe(String(CLIP.frames - 1));
    // What is on the screen is what is in the file.
    await expect.poll(() => app.colourAt(12, 12)).toEqual([220, 50, 47]);
    expect(await app.colourAt(80, 46)).toEqual([38, 110, 230]);
  });

  it('says why it cannot open something, and keeps what is open', async () => {
    const app = await open();
    await app.openClip();
    const before = (await app.snapshot()).project;
    await app.drop({ name: 'notes.mp4', bytes: new TextEncoder().encode('this is no video') });
    await expect.poll(() => app.notices()).toEqual([expect.stringMatching(/notes/)]);
    await app.drop({ name: 'cut.zip', bytes: clipZip(2).slice(0, 200) });
    await expect.poll(() => app.notices()).toHaveLength(2);
    expect((await app.notices())[1]).toMatch(/cut\.zip/);
    expect((await app.snapshot()).project).toBe(before);
    // Once something opens, that is of no interest any more.
    await app.openClip(3);
    await expect.poll(() => app.notices()).toEqual([]);
    expect((await app.snapshot()).project).not.toBe(before);
  });

  it('tracks a mask from a file to the end', async () => {
    const app = await open({ query: 'holds=8,16' });
    await app.openClip();
    await app.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
    await app.waitForObjects(2);
    await app.page.evaluate(() => {
      const values: number[] = [];
      Object.assign(globalThis, { values });
      new MutationObserver(() => {
        const bar = document.querySelector<HTMLProgressElement>('.progress progress');
        if (bar) values.push(bar.value);
      }).observe(document.body, { subtree: true, childList: true, attributes: true });
    });
    await app.run(async () => {
      await app.page.getByRole('button', { name: 'Track', exact: true }).click();
      for (const frame of [8, 16]) {
        await app.held(frame);
        await app.release(frame);
      }
    });
    const values = await app.page.evaluate(() => (globalThis as unknown as { values: number[] }).values);
    // It was seen at least where the tracker waited.
    expect(new Set(values).size).toBeGreaterThan(1);
    expect(values).toEqual(values.toSorted((a, b) => a - b));
    expect((await app.snapshot()).frame).toBe(CLIP.frames - 1);
    expect((await app.hashes(CLIP.frames)).every(Boolean)).toBe(true);
  });
});
