import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { encode } from 'fast-png';
import { expect, it } from 'vitest';
import { type App, describeApp, type OpenOptions } from './app.js';
import { CLIP, maskPng } from './clip.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** All of WCAG 2.2 AA; and the rules of it that look at colours, for a state that differs from the one before in nothing else. */
const RULES = {
  all: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] },
  colours: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] },
} as const;

interface Violation {
  id: string;
  nodes: { target: string[]; failureSummary: string }[];
}

/** What axe finds wrong, in words. */
async function violations(app: App, rules: keyof typeof RULES): Promise<string[]> {
  const found = await app.page.evaluate(
    (runOnly) =>
      (globalThis as unknown as { axe: { run(options: object): Promise<{ violations: Violation[] }> } }).axe.run({
        runOnly,
        resultTypes: ['violations'],
      }),
    RULES[rules],
  );
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(
      ({ target, failureSummary }) => `${id} at ${target.join(' ')}: ${failureSummary.replaceAll(/\s+/g, ' ')}`,
    ),
  );
}

/** Opens a dialog by its key; the one before is closed. */
const press = (key: string) => async (app: App) => {
  await app.page.keyboard.press('Escape');
  await app.page.locator('dialog[open]').waitFor({ state: 'detached' });
  await app.page.locator('.stage').focus();
  await app.page.keyboard.press(key);
  await app.page.locator('dialog[open] h2').waitFor();
};

const tab = (name: RegExp | string) => (app: App) => app.page.getByRole('tab', { name }).click();

/** Ways through the page, and the states on each of them, one after the other. */
const WAYS: readonly { options?: OpenOptions; states: Readonly<Record<string, (app: App) => Promise<unknown>>> }[] = [
  {
    states: {
      empty: async () => {},
      models: async (app) => {
        await app.page.getByRole('button', { name: 'Models' }).click();
        await app.page.waitForSelector('dialog[open]');
      },
      opened: async (app) => {
        await app.page.keyboard.press('Escape');
        await app.openClip();
      },
      prompted: async (app) => {
        await app.click(12, 12);
        await app.waitForObjects(1);
      },
      'the review': tab(/Review/),
      'the tracking tab': tab('Tracking'),
      tracked: async (app) => {
        await tab('Objects')(app);
        await app.page.keyboard.press('Control+z');
        await app.waitForObjects(0);
        await app.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
        await app.waitForObjects(2);
        await app.track();
      },
      export: press('Control+Shift+e'),
      settings: press('Control+,'),
      help: press('?'),
      commands: press('Control+k'),
    },
  },
  { options: { engine: 'none' }, states: { 'without a GPU': async () => {} } },
  {
    options: { query: 'holds=3' },
    states: {
      tracking: async (app) => {
        await app.openClip();
        await app.click(12, 12);
        await app.waitForObjects(1);
        await app.page.keyboard.press('f');
        await app.held(3);
        await app.page.waitForSelector('.progress');
      },
    },
  },
];

describeApp('accessibility', (open) => {
  it('axe finds nothing in any state, dark and light', { timeout: 300_000 }, async () => {
    const wrong: string[] = [];
    for (const { options, states } of WAYS) {
      const app = await open({ ...options, reducedMotion: 'reduce' });
      await app.page.evaluate(axe);
      for (const [name, enter] of Object.entries(states)) {
        await enter(app);
        for (const theme of ['dark', 'light'] as const) {
          await app.page.evaluate((wanted) => {
            document.documentElement.dataset['theme'] = wanted;
          }, theme);
          wrong.push(
            ...(await violations(app, theme === 'dark' ? 'all' : 'colours')).map(
              (text) => `${name}, ${theme}: ${text}`,
            ),
          );
        }
      }
      await app.page.close();
    }
    expect(wrong).toEqual([]);
  });

  it('reflows at 320 pixels without a horizontal scroll bar', async () => {
    const { width, height } = CLIP;
    // 24 objects, one of them with a long name.
    const many = Uint8Array.from({ length: width * height }, (_, i) => {
      const [column, row] = [Math.floor((i % width) / 12), Math.floor(i / width / 12)];
      return row < 3 ? 8 * row + column + 1 : 0;
    });
    const crowded = async (app: App) => {
      await app.openClip();
      const bytes = encode({ width, height, data: many, channels: 1 });
      await app.drop({ name: 'many.png', bytes, type: 'image/png' });
      await app.waitForObjects(24);
      await app.rename(1, 'the old grey elephant that walks in the background, behind the trees');
      // Its menu has a line for each of the others.
      await app.page.getByRole('button', { name: /^More for the old/ }).click();
      const menu = app.page.locator('.menu:popover-open');
      const isInside = () =>
        menu.evaluate((shown) => {
          const { top, bottom, left, right } = shown.getBoundingClientRect();
          return top >= 0 && left >= 0 && right <= innerWidth && bottom <= innerHeight && shown.scrollHeight > bottom;
        });
      await expect.poll(isInside).toBe(true);
      await app.page.keyboard.press('Escape');
    };
    for (const enter of [async () => {}, crowded]) {
      const app = await open({ viewport: { width: 320, height: 640 } });
      await enter(app);
      const overflow = () =>
        app.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      await expect.poll(overflow).toBeLessThanOrEqual(0);
      const wide = () =>
        app.page.evaluate(() =>
          [...document.querySelectorAll('.content *')]
            .filter(
              (element) => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest('.tools, svg'),
            )
            .map((element) => element.className),
        );
      // The timeline is drawn once its width is known.
      await expect.poll(wide).toEqual([]);
    }
  });

  it('gives the focus back when a dialog closes, and shows where it is', async () => {
    const app = await open();
    await app.page.getByRole('button', { name: 'Models' }).focus();
    await app.page.keyboard.press('Enter');
    await app.page.waitForSelector('dialog[open]');
    await app.page.keyboard.press('Escape');
    await expect.poll(() => app.page.evaluate(() => document.activeElement?.textContent)).toBe('Models');
    const outline = await app.page.evaluate(() => getComputedStyle(document.activeElement!).outlineWidth);
    expect(outline).toBe('2px');
  });
});
