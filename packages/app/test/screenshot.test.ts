import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { type App, describeApp } from './app.js';

const root = new URL('../../../', import.meta.url);
const SHOT = fileURLToPath(new URL('docs/app.png', root));

/** The picture is of the networks that come with the page, on the processor: minutes, where the toy takes seconds. */
const REAL = process.env['SAMTRACK_SCREENSHOT'] !== undefined;

/** The objects of the clip, and where they are in its first frame: a pixel, or two corners. */
const OBJECTS = [
  [1, 'tortoise', [366, 170]],
  [2, 'car', [45, 154, 131, 225]],
  [3, 'rocket', [66, 110]],
] as const;

/** Two clicks and a box, as in the demo, and what the tracker makes of them. */
async function track(app: App): Promise<void> {
  const { mouse, keyboard } = app.page;
  const patience = { timeout: 600_000 };
  for (const [id, , [x0, y0, x1, y1]] of OBJECTS) {
    await keyboard.press('n');
    if (x1 === undefined || y1 === undefined) await app.click(x0, y0);
    else {
      const [from, to] = [await app.place(x0, y0), await app.place(x1, y1)];
      await keyboard.press('b');
      await mouse.move(from.x, from.y);
      await mouse.down();
      await mouse.move(to.x, to.y, { steps: 4 });
      await mouse.up();
      await keyboard.press('p');
    }
    await expect.poll(async () => (await app.objects()).length, patience).toBe(id);
  }
  const { runs } = await app.snapshot();
  await app.page.getByRole('button', { name: 'Track', exact: true }).click();
  await expect.poll(async () => (await app.snapshot()).runs, patience).toBeGreaterThan(runs);
}

/** The exact masks of the clip, imported: the same scene without any network. */
async function importMasks(app: App): Promise<void> {
  for (let frame = 0; frame < 60; frame += frame < 45 ? 5 : 60) {
    await app.goTo(frame);
    const mask = readFileSync(new URL(`demo/masks/${String(frame).padStart(5, '0')}.png`, root));
    await app.drop({ name: `mask-${frame}.png`, bytes: mask, type: 'image/png' });
    await expect.poll(() => app.hash(frame)).not.toBe('');
  }
}

describeApp('the picture in the README', (open) => {
  // `SAMTRACK_SCREENSHOT=1` writes it anew; otherwise the same scene must come about.
  it('is the page with three objects tracked through the demo clip', { timeout: 900_000 }, async () => {
    const app = await open({ present: 'auto', engine: REAL ? 'cpu' : 'toy' });
    await app.page.getByRole('button', { name: /Try the demo clip/ }).click();
    await app.ready();
    await (REAL ? track : importMasks)(app);
    for (const [id, name] of OBJECTS) await app.rename(id, name);
    // It says that there is no GPU here, of which the reader knows nothing.
    await app.page.evaluate(() => document.querySelector('.banner')?.remove());
    await app.goTo(20);
    await app.page.keyboard.press('2');
    // What was said of each mask would hide a part of the page.
    await expect
      .poll(() =>
        app.page.evaluate(() => {
          const buttons = [...document.querySelectorAll<HTMLElement>('.toast [aria-label=Dismiss]')];
          for (const button of buttons) button.click();
          return buttons.length;
        }),
      )
      .toBe(0);
    // The filmstrip comes picture by picture.
    let picture = await app.page.screenshot();
    for (let i = 0; i < 20; i++) {
      await app.page.waitForTimeout(400);
      const before = picture;
      picture = await app.page.screenshot();
      if (before.equals(picture)) break;
    }
    expect(picture.length).toBeGreaterThan(50_000);
    if (REAL) writeFileSync(SHOT, picture);
    expect(readFileSync(SHOT).subarray(1, 4).toString()).toBe('PNG');
  });
});
