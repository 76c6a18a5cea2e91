import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import { expect, it } from 'vitest';
import { type App, describeApp } from './app.js';
import { CLIP, maskPng } from './clip.js';

/** A first-time user's way from the empty page to an exported archive, on the clip that comes with the page. */
describeApp('a first-time user', (open) => {
  it('comes from the empty page to an archive in four clicks with a mouse', async () => {
    const app = await open();
    let actions = 0;
    const click = async (name: string | RegExp) => {
      await app.page.getByRole('button', { name, exact: typeof name === 'string' }).click();
      actions++;
    };
    const began = performance.now();
    await click(/Try the demo clip/);
    await app.ready();
    // The car.
    await app.click(100, 230 / 2);
    actions++;
    await app.waitForObjects(1);
    await app.run(() => click('Track'));
    expect(await app.hash(59)).not.toBe('');
    const [download] = await Promise.all([app.page.waitForEvent('download'), click('Save masks')]);
    expect(download.suggestedFilename()).toBe('Demo clip-masks.zip');
    expect(Object.keys(unzipSync(readFileSync(await download.path())))).toHaveLength(60);
    expect(actions).toBe(4);
    console.log(`mouse: ${actions} actions, ${((performance.now() - began) / 1000).toFixed(1)} s with the toy engine`);
  });

  it('does the same with the keyboard alone', async () => {
    const app = await open();
    const { keyboard } = app.page;
    let actions = 0;
    const began = performance.now();
    const press = async (key: string) => {
      await keyboard.press(key);
      actions++;
    };
    const focused = () =>
      app.page.evaluate(
        () => (document.activeElement as HTMLElement | null)?.textContent || document.activeElement?.className || '',
      );
    const tabTo = async (text: RegExp) => {
      for (let i = 0; i < 40; i++) {
        await press('Tab');
        if (text.test(await focused())) return;
      }
      throw new Error(`Tab does not come to ${text}`);
    };
    await tabTo(/Try the demo clip/);
    await press('Enter');
    await app.ready();
    await press('q');
    for (let i = 0; i < 3; i++) await press('Shift+ArrowLeft');
    await press('Enter');
    await app.waitForObjects(1);
    await press('Escape');
    await app.run(() => press('f'));
    expect(await app.hash(59)).not.toBe('');
    const [download] = await Promise.all([app.page.waitForEvent('download'), press('Shift+S')]);
    expect(download.suggestedFilename()).toBe('Demo clip-masks.zip');
    console.log(
      `keyboard: ${actions} key presses, ${((performance.now() - began) / 1000).toFixed(1)} s with the toy engine`,
    );
    // And through the dialog that has everything else.
    await press('Control+Shift+e');
    await app.page.waitForSelector('dialog[open]');
    await tabTo(/^Save/);
    await Promise.all([app.page.waitForEvent('download'), press('Enter')]);
  });

  /** Keeps what keys ask for from being done, and notes it. @returns what gives the commands since it was asked last */
  async function noting(app: App): Promise<() => Promise<string[]>> {
    await app.page.evaluate(() => {
      const fired: string[] = [];
      Object.assign(globalThis, { fired });
      window.addEventListener('samtrack-command', (event) => {
        event.preventDefault();
        fired.push((event as CustomEvent<string>).detail);
      });
    });
    return () => app.page.evaluate(() => (globalThis as unknown as { fired: string[] }).fired.splice(0));
  }
  const commands = (app: App) => app.page.evaluate(() => globalThis.samtrack.commands());
  /** As the tests press it. */
  const pressed = (key: string) => key.replace('$mod', 'Control');

  it('fires each command of the table once for each of its keys', async () => {
    const app = await open();
    await app.openClip();
    const all = await commands(app);
    expect(all.flatMap(({ keys }) => keys).length).toBeGreaterThan(75);
    await app.page.locator('.stage').focus();
    const fired = await noting(app);
    for (const { id, keys } of all.filter(({ scope }) => scope !== 'review')) {
      for (const key of keys) {
        await app.page.keyboard.press(pressed(key));
        expect(await fired(), `${key} is ${id}`).toEqual([id]);
      }
    }
  });

  it('fires the commands of the review while something waits in it, and nothing else by their keys', async () => {
    const app = await open();
    // Until just after the third one comes in, and is looked for.
    await app.openClip(13);
    await app.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
    await app.waitForObjects(2);
    await app.page.getByRole('tab', { name: /Review/ }).click();
    await app.page.getByRole('radio', { name: 'Everything' }).check();
    await app.page.getByRole('spinbutton', { name: 'At least' }).fill('50');
    await app.page.keyboard.press('Tab');
    await app.track();
    await app.page.locator('.candidate').first().waitFor();
    await app.page.locator('.stage').focus();
    const fired = await noting(app);
    for (const { id, keys } of (await commands(app)).filter(({ scope }) => scope === 'review')) {
      for (const key of keys) {
        await app.page.keyboard.press(pressed(key));
        expect(await fired(), `${key} is ${id}`).toEqual([id]);
      }
    }
  });

  it('can switch single letters off, and types in fields without effect', async () => {
    const app = await open({ before: `localStorage.setItem('samtrack settings', '{"letterKeys":false}')` });
    await app.openClip();
    await app.page.keyboard.press('ArrowRight');
    await app.showing(1);
    const fired = await noting(app);
    const keys = (await commands(app)).flatMap((command) => command.keys);
    const letters = keys.filter((key) => /^(Shift\+)?[^+\s]$/.test(key) || key === '+');
    expect(letters.length).toBeGreaterThan(40);
    await app.page.locator('.stage').focus();
    for (const key of letters) await app.page.keyboard.press(pressed(key));
    expect(await fired()).toEqual([]);
    // Others go on, but none does in a field.
    await app.page.keyboard.press('ArrowRight');
    expect(await fired()).toEqual(['next']);
    await app.page.getByRole('spinbutton', { name: 'Frame' }).focus();
    for (const key of keys.filter((one) => one !== 'Space')) await app.page.keyboard.press(pressed(key));
    expect(await fired()).toEqual([]);
  });

  it('reaches every part of the page with F6', async () => {
    const app = await open();
    await app.openClip();
    const regions: (string | undefined)[] = [];
    for (let i = 0; i < 6; i++) {
      await app.page.keyboard.press('F6');
      regions.push(
        await app.page.evaluate(() => document.activeElement?.closest<HTMLElement>('[data-region]')?.dataset['region']),
      );
    }
    expect(new Set(regions)).toEqual(new Set(['topbar', 'tools', 'stage', 'inspector', 'timeline', 'status']));
  });
});

describeApp('on a phone', (open) => {
  const phone = {
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
    deviceScaleFactor: 2,
  } as const;

  /** Fingers, as the browser sees them. */
  async function touch(
    app: App,
    ...steps: [type: 'touchStart' | 'touchMove' | 'touchEnd', ...points: [number, number][]][]
  ) {
    const session = await app.context.newCDPSession(app.page);
    for (const [type, ...points] of steps) {
      await session.send('Input.dispatchTouchEvent', {
        type,
        touchPoints: points.map(([x, y], id) => ({ x, y, id })),
      });
    }
    return session;
  }

  it('a tap is plus, a long press minus, and two fingers zoom about their middle', async () => {
    const app = await open(phone);
    await app.openClip();
    const at = await app.place(12, 12);
    await app.page.touchscreen.tap(at.x, at.y);
    await app.waitForObjects(1);
    const other = await app.place(60, 40);
    const session = await touch(app, ['touchStart', [other.x, other.y]]);
    // What the finger hides is to be seen above it.
    await expect
      .poll(() =>
        app.page.evaluate(() => {
          const lens = document.querySelector<HTMLCanvasElement>('.loupe canvas');
          const middle = lens && lens.width / 2;
          return middle && [...lens.getContext('2d')!.getImageData(middle, middle, 1, 1).data.slice(0, 3)];
        }),
      )
      .toEqual([120, 118, 112]);
    // It has rested long enough.
    await app.page.locator('.mark.off').waitFor();
    await session.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    await app.snapshot();
    expect(await app.page.locator('.mark.off').count()).toBe(1);
    const zoom = () => app.page.locator('.zoom-value').textContent();
    const before = await zoom();
    const middle = await app.place(48, 32);
    await touch(
      app,
      ['touchStart', [middle.x - 30, middle.y], [middle.x + 30, middle.y]],
      ['touchMove', [middle.x - 60, middle.y], [middle.x + 60, middle.y]],
      ['touchEnd'],
    );
    await expect.poll(zoom).not.toBe(before);
    await expect
      .poll(async () => {
        const now = await app.place(48, 32);
        return Math.hypot(now.x - middle.x, now.y - middle.y);
      })
      .toBeLessThan(1);
  });

  it('has the tabs of the sheet under the picture, and each shows its part', async () => {
    const app = await open(phone);
    await app.openClip();
    const stage = (await app.page.locator('.stage').boundingBox())!;
    for (const [tab, part] of [
      ['Review', 'Look for new objects while tracking'],
      ['Tracking', 'Step by step'],
      ['Objects', 'New object'],
    ] as const) {
      const button = app.page.getByRole('tab', { name: new RegExp(tab) });
      const { x, y, width, height } = (await button.boundingBox())!;
      expect(y, tab).toBeGreaterThan(stage.y + stage.height - 1);
      await app.page.touchscreen.tap(x + width / 2, y + height / 2);
      await expect.poll(() => button.getAttribute('aria-selected')).toBe('true');
      expect(await app.page.getByRole('tabpanel').textContent()).toContain(part);
    }
    expect(await app.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  });

  it('tracks, and has targets that a finger hits', async () => {
    const app = await open(phone);
    await app.openClip();
    const at = await app.place(12, 12);
    await app.page.touchscreen.tap(at.x, at.y);
    await app.waitForObjects(1);
    await app.track();
    expect(await app.hash(CLIP.frames - 1)).not.toBe('');
    const small = await app.page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('button')]
        .filter((button) => button.offsetParent !== null && !button.classList.contains('unseen'))
        .filter((button) => {
          const { width, height } = button.getBoundingClientRect();
          return width < 24 || height < 24;
        })
        .map((button) => button.title || button.textContent),
    );
    expect(small).toEqual([]);
  });
});
