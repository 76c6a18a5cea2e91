import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeApp } from './app.js';

const root = new URL('../../../', import.meta.url);
const SHOT = fileURLToPath(new URL('docs/app.png', root));

describeApp('the picture in the README', (open) => {
  // `SAMTRACK_SCREENSHOT=1` writes it anew; otherwise the same scene must come about.
  it('is the page with three objects tracked through the demo clip', async () => {
    const app = await open({ present: 'auto' });
    await app.page.getByRole('button', { name: /Try the demo clip/ }).click();
    await app.ready();
    // What was tracked comes from the exact masks of the clip: what the page looks like is no matter of the tracker's.
    for (let frame = 0; frame < 60; frame += frame < 45 ? 5 : 60) {
      await app.goTo(frame);
      const mask = readFileSync(new URL(`demo/masks/${String(frame).padStart(5, '0')}.png`, root));
      await app.drop({ name: `mask-${frame}.png`, bytes: mask, type: 'image/png' });
      await expect.poll(() => app.hash(frame)).not.toBe('');
    }
    for (const [id, name] of [
      [1, 'tortoise'],
      [2, 'car'],
      [3, 'rocket'],
    ] as const) {
      await app.rename(id, name);
    }
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
    if (process.env['SAMTRACK_SCREENSHOT']) writeFileSync(SHOT, picture);
    expect(readFileSync(SHOT).subarray(1, 4).toString()).toBe('PNG');
  });
});
