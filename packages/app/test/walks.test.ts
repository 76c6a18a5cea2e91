import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import { expect, it } from 'vitest';
import { type App, describeApp } from './app.js';
import { CLIP } from './clip.js';

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
    await expect.poll(() => app.hash(59)).not.toBe('');
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
    await expect.poll(() => app.hash(59)).not.toBe('');
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

  it('can switch single letters off, and types in fields without effect', async () => {
    const app = await open({ before: `localStorage.setItem('samtrack settings', '{"letterKeys":false}')` });
    await app.openClip();
    await app.page.keyboard.press('b');
    expect(await app.page.getByRole('radio', { name: /Box/ }).getAttribute('aria-checked')).toBe('false');
    await app.page.keyboard.press('ArrowRight');
    await expect.poll(async () => (await app.snapshot()).frame).toBe(1);
    const field = app.page.getByRole('spinbutton', { name: 'Frame' });
    await field.focus();
    await app.page.keyboard.press('End');
    expect((await app.snapshot()).frame).toBe(1);
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
    await app.page.waitForTimeout(700);
    await session.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    await expect.poll(() => app.page.locator('.mark.off').count()).toBe(1);
    const middle = await app.place(48, 32);
    await touch(
      app,
      ['touchStart', [middle.x - 30, middle.y], [middle.x + 30, middle.y]],
      ['touchMove', [middle.x - 60, middle.y], [middle.x + 60, middle.y]],
      ['touchEnd'],
    );
    await expect
      .poll(async () => {
        const now = await app.place(48, 32);
        return Math.hypot(now.x - middle.x, now.y - middle.y);
      })
      .toBeLessThan(1.5);
    expect(await app.page.locator('.zoom-value').textContent()).not.toBe('365 %');
  });

  it('tracks, and has targets that a finger hits', async () => {
    const app = await open(phone);
    await app.openClip();
    const at = await app.place(12, 12);
    await app.page.touchscreen.tap(at.x, at.y);
    await app.waitForObjects(1);
    await app.track();
    await expect.poll(() => app.hash(CLIP.frames - 1)).not.toBe('');
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
