import { encode } from 'fast-png';
import { expect, it } from 'vitest';
import { paintLine } from '../src/worker/paint.js';
import { type App, describeApp } from './app.js';
import { CLIP, labels, maskPng } from './clip.js';

/** Pixels of an object in the first frame. */
const areaOf = async (app: App, id: number) => (await app.areas(0)).get(id) ?? 0;

const truth = (id: number) => labels(0).filter((value) => value === id).length;

describeApp('prompts', (open) => {
  it('are where the pointer is, at any zoom, pan and pixel ratio', async () => {
    for (const deviceScaleFactor of [1, 2]) {
      const app = await open({ deviceScaleFactor });
      await app.openClip();
      const points = async () => {
        await app.page.waitForFunction(() => document.querySelectorAll('.prompts li').length > 0);
        return (await app.page.locator('.prompts li').allInnerTexts()).map((text) =>
          text.replaceAll(/\s+/g, ' ').trim(),
        );
      };
      await app.click(12.5, 12.5);
      await app.waitForObjects(1);
      expect((await points())[0]).toBe('+ 13, 13');
      const at = await app.place(12, 12);
      const scale = () => app.page.evaluate(() => globalThis.samtrack.viewport().scale);
      const before = await scale();
      await app.page.mouse.move(at.x, at.y);
      await app.page.mouse.wheel(0, -700);
      await expect.poll(scale).toBeGreaterThan(before);
      await app.page.getByRole('radio', { name: /Select/ }).click();
      await app.page.mouse.move(at.x, at.y);
      await app.page.mouse.down();
      await app.page.mouse.move(at.x + 60, at.y + 30, { steps: 4 });
      await app.page.mouse.up();
      await app.page.getByRole('radio', { name: /Point/ }).click();
      await app.click(20.4, 18.4);
      await expect.poll(points).toEqual(['+ 13, 13', '+ 20, 18']);
    }
  });

  it('say plus or minus, and are taken back one by one', async () => {
    const app = await open();
    await app.openClip();
    await app.click(12, 12);
    await app.waitForObjects(1);
    const signs = async () =>
      (await app.page.locator('.prompts li .sign').allInnerTexts()).map((text) => text.trim()).join('');
    await app.click(80, 46, { button: 'right' });
    await expect.poll(signs).toBe('+−');
    for (const modifier of ['Alt', 'Control'] as const) {
      await app.page.keyboard.down(modifier);
      await app.click(60, 20);
      await app.page.keyboard.up(modifier);
      await expect.poll(signs).toBe('+−−');
      await app.page.locator('.stage').focus();
      await app.page.keyboard.press('Backspace');
      await expect.poll(signs).toBe('+−');
    }
    await app.page.keyboard.press('x');
    await app.click(40, 40);
    await expect.poll(signs).toBe('+−−');
    await app.page.locator('.stage').focus();
    await app.page.keyboard.press('Backspace');
    await expect.poll(signs).toBe('+−');
    await app.page.locator('.mark.off').click();
    await expect.poll(signs).toBe('+');
    expect(await areaOf(app, 1)).toBe(truth(1));
  });

  it('are shown before they are given, without a trace', async () => {
    const app = await open();
    await app.openClip();
    const at = await app.place(12, 12);
    await app.page.keyboard.down('Shift');
    await app.page.mouse.move(at.x, at.y, { steps: 3 });
    const plain = [220, 50, 47];
    await expect.poll(() => app.drawnAt(16, 16)).not.toEqual(plain);
    await app.page.keyboard.up('Shift');
    await app.page.keyboard.press('Escape');
    await expect.poll(() => app.drawnAt(16, 16)).toEqual(plain);
    expect((await app.snapshot()).head).toEqual([false, false]);
    expect(await app.objects()).toEqual([]);
  });

  it('are boxes, strokes and polygons', async () => {
    const app = await open();
    await app.openClip();
    const drag = async (...points: [number, number][]) => {
      const [first, ...rest] = await Promise.all(points.map(([x, y]) => app.place(x, y)));
      await app.page.mouse.move(first!.x, first!.y);
      await app.page.mouse.down();
      for (const { x, y } of rest) await app.page.mouse.move(x, y, { steps: 5 });
      await app.page.mouse.up();
    };
    await app.page.keyboard.press('b');
    await drag([5, 5], [28, 28]);
    await app.waitForObjects(1);
    expect(await areaOf(app, 1)).toBe(truth(1));
    await app.page.keyboard.press('n');
    await app.page.keyboard.press('s');
    await drag([78, 44], [82, 48]);
    await app.waitForObjects(2);
    expect(await areaOf(app, 2)).toBe(truth(2));
    await app.page.keyboard.press('n');
    await app.page.keyboard.press('g');
    for (const [x, y] of [
      [40, 30],
      [60, 30],
      [60, 50],
      [40, 50],
    ] as const) {
      await app.click(x, y);
    }
    await app.page.keyboard.press('Enter');
    await app.waitForObjects(3);
    expect(await areaOf(app, 3)).toBeGreaterThan(380);
    expect(await areaOf(app, 3)).toBeLessThan(421);
  });

  it('are painted and erased, each line one step', async () => {
    const app = await open();
    await app.openClip();
    await app.page.keyboard.press('d');
    // Where the pointer's whole pixels are in the video.
    const ends = await app.page.evaluate(() => {
      const { scale, left, top } = globalThis.samtrack.viewport();
      const box = document.querySelector('.stage')!.getBoundingClientRect();
      const ends = [20, 70].map((x) => ({
        x: Math.round(box.left + left + x * scale),
        y: Math.round(box.top + top + 32 * scale),
      }));
      return ends.map(({ x, y }) => ({ x, y, at: [(x - box.left - left) / scale, (y - box.top - top) / scale] }));
    });
    const [from, to] = ends as [(typeof ends)[0], (typeof ends)[0]];
    await app.page.mouse.move(from.x, from.y);
    await app.page.mouse.down();
    await app.page.mouse.move(to.x, to.y, { steps: 300 });
    await app.page.mouse.up();
    await app.waitForObjects(1);
    const painted = await areaOf(app, 1);
    // A line of 50 pixels, 24 wide, with round ends.
    expect(Math.abs(painted - (50 * 24 + Math.PI * 144))).toBeLessThan(40);
    const raster = new Uint8Array(96 * 64);
    paintLine(
      raster,
      { width: 96, height: 64 },
      ends.map(({ at }) => at as [number, number]),
      12,
      1,
    );
    expect(painted).toBe(raster.reduce((sum, pixel) => sum + pixel, 0));
    await app.page.keyboard.press('e');
    await app.click(45, 32);
    await expect.poll(() => areaOf(app, 1)).toBeLessThan(painted - 300);
    await app.page.keyboard.press('Control+z');
    await expect.poll(() => areaOf(app, 1)).toBe(painted);
    await app.page.keyboard.press('Control+z');
    await app.waitForObjects(0);
  });

  it('come as masks, whose size must fit', async () => {
    const app = await open();
    await app.openClip();
    await app.drop({ name: 'mask.png', bytes: maskPng(0), type: 'image/png' });
    await app.waitForObjects(2);
    // What the file was taken to mean is said.
    await expect.poll(() => app.announced()).toBe('mask.png: 2 objects');
    expect([await areaOf(app, 1), await areaOf(app, 2)]).toEqual([truth(1), truth(2)]);
    const small = encode({ width: 2, height: 2, data: new Uint8Array(4).fill(1), channels: 1 });
    await app.drop({ name: 'small.png', bytes: small, type: 'image/png' });
    await expect
      .poll(async () => (await app.notices()).join())
      .toMatch(/small\.png: the mask has 2x2 pixels, the frames have 96x64\. To open it as a picture/);
  });

  it('come as masks, which are read as the user says, in one step', async () => {
    const app = await open();
    await app.openClip();
    const { page } = app;
    const read = async (open: string, as: string) => {
      await page.getByRole('button', { name: open }).click();
      await page.getByRole('radio', { name: as }).check();
      await page.getByRole('button', { name: 'Read it so' }).click();
    };
    const notice = (text: RegExp) => expect.poll(async () => (await app.notices()).join()).toMatch(text);
    // No colour is black, so that it is refused; then each is an object.
    const colours = [
      [200, 200, 10],
      [220, 50, 47],
      [38, 110, 230],
    ] as const;
    const { width, height } = CLIP;
    const data = Uint8Array.from([...labels(0)].flatMap((id) => [...colours[id as 0 | 1 | 2]]));
    await app.drop({ name: 'colours.png', bytes: encode({ width, height, data, channels: 3 }), type: 'image/png' });
    await notice(/colours\.png: no colour is black.*“Colours” makes each an object/);
    await read('Read it otherwise', 'Colours');
    await app.waitForObjects(3);
    await page.keyboard.press('Control+z');
    await app.waitForObjects(0);
    // 255 is taken for void; then for an object, in place of that.
    const grey = Uint8Array.from(labels(0), (id) => (id === 1 ? 255 : id));
    await app.drop({ name: 'void.png', bytes: encode({ width, height, data: grey, channels: 1 }), type: 'image/png' });
    await app.waitForObjects(1);
    await expect.poll(() => app.announced()).toBe('void.png: one object; 255 is void');
    await read('Read void.png otherwise', 'Labels');
    await app.waitForObjects(2);
    expect(await app.objects()).toEqual(['object 2', 'object 255']);
    // What cannot be read so leaves what there is.
    await read('Read void.png otherwise', 'Alpha');
    await notice(/void\.png: it has no alpha channel/);
    expect(await app.objects()).toEqual(['object 2', 'object 255']);
    await page.keyboard.press('Control+z');
    await app.waitForObjects(0);
    expect((await app.snapshot()).head).toEqual([false, true]);
  });

  it('come as text, one object for each thing found', async () => {
    const app = await open();
    await app.openClip();
    await app.page.keyboard.press('t');
    await app.page.getByLabel(/What to look for/).fill('red, blue');
    await app.page.getByRole('button', { name: 'Find in this frame' }).click();
    await app.waitForObjects(2);
    expect((await app.objects()).sort()).toEqual(['blue', 'red']);
    await app.page.keyboard.press('t');
    await app.page.getByLabel(/What to look for/).fill('zebra');
    await app.page.getByRole('button', { name: 'Find in this frame' }).click();
    await expect.poll(async () => (await app.notices()).join()).toMatch(/zebra.* is not found in frame 0/);
  });

  it('are everything there is', async () => {
    const app = await open();
    await app.openClip();
    await app.page.keyboard.press('Shift+A');
    await app.waitForObjects(2);
  });

  it('without a model offer one, and the brush works all the same', async () => {
    const app = await open({ engine: 'none' });
    await app.openClip();
    await app.click(12, 12);
    await expect.poll(async () => (await app.notices()).join()).toMatch(/segmenter/);
    await app.page.keyboard.press('d');
    await app.click(12, 12);
    await app.waitForObjects(1);
    await app.page.getByRole('button', { name: 'Open Models' }).click();
    await app.page.getByRole('dialog', { name: 'Models' }).waitFor();
    expect(await app.page.getByRole('dialog').textContent()).toMatch(/MobileSAM[\s\S]*41 MB · Apache-2\.0/);
  });
});

describeApp('objects', (open) => {
  it('are renamed, coloured, hidden, locked, merged, split and deleted', async () => {
    const app = await open({ present: 'auto' });
    await app.openClip();
    await app.drop({ name: 'mask.png', bytes: maskPng(0), type: 'image/png' });
    await app.waitForObjects(2);
    await app.rename(1, 'square');
    await expect.poll(() => app.objects()).toEqual(['square', 'object 2']);
    await app.page.getByLabel('Colour of square').fill('#00ff88');
    await expect.poll(() => app.page.getByLabel('Colour of square').inputValue()).toBe('#00ff88');

    await app.page.getByRole('button', { name: 'Lock square' }).click();
    await app.page.getByRole('button', { name: 'Unlock square' }).waitFor();
    await app.page.getByRole('radio', { name: /Brush/ }).click();
    await app.click(40, 30);
    await expect.poll(async () => (await app.notices()).join()).toMatch(/square.* is locked/);
    await app.page.getByRole('button', { name: 'Unlock square' }).click();
    await app.page.getByRole('button', { name: 'Lock square' }).waitFor();

    // What is hidden is not drawn; alone, all others are; and once more, none is.
    const drawn = async () => {
      const plain = { square: [220, 50, 47], disc: [38, 110, 230] };
      const shown: string[] = [];
      for (const [name, x, y] of [
        ['square', 16, 16],
        ['disc', 80, 46],
      ] as const) {
        const colour = await app.drawnAt(x, y);
        if (colour.some((level, c) => Math.abs(level - plain[name][c]!) > 6)) shown.push(name);
      }
      return shown.join();
    };
    await expect.poll(drawn).toBe('square,disc');
    await app.page.getByRole('button', { name: 'Hide square' }).click();
    await expect.poll(drawn).toBe('disc');
    await app.page.getByRole('button', { name: 'Show square' }).click();
    await expect.poll(drawn).toBe('square,disc');
    await app.page.locator('.stage').focus();
    await app.page.keyboard.press('Shift+H');
    await expect.poll(drawn).toBe('square');
    await app.page.keyboard.press('Shift+H');
    await expect.poll(drawn).toBe('square,disc');

    await app.page.getByRole('button', { name: 'More for object 2' }).click();
    await app.page.getByRole('menuitem', { name: 'Merge into square' }).click();
    await app.waitForObjects(1);
    expect(await areaOf(app, 1)).toBe(truth(1) + truth(2));
    await app.page.getByRole('button', { name: 'More for square' }).click();
    await app.page.getByRole('menuitem', { name: 'Split into its pieces' }).click();
    await app.waitForObjects(2);

    await app.page.keyboard.press('1');
    await app.page.locator('.stage').focus();
    await app.page.keyboard.press('Delete');
    await expect.poll(() => areaOf(app, 1)).toBe(0);
    expect(await app.objects()).toHaveLength(2);
    await app.page.keyboard.press('Shift+Delete');
    await app.waitForObjects(1);
  });
});
