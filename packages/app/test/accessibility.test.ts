import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { type App, describeApp, type OpenOptions } from './app.js';
import { maskPng } from './clip.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

interface Violation {
  id: string;
  nodes: { target: string[]; failureSummary: string }[];
}

/** What axe finds wrong, in words. */
async function violations(app: App): Promise<string[]> {
  await app.page.evaluate(axe);
  const found = await app.page.evaluate(
    (tags) =>
      (globalThis as unknown as { axe: { run(options: object): Promise<{ violations: Violation[] }> } }).axe.run({
        runOnly: { type: 'tag', values: tags },
      }),
    TAGS,
  );
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(
      ({ target, failureSummary }) => `${id} at ${target.join(' ')}: ${failureSummary.replaceAll(/\s+/g, ' ')}`,
    ),
  );
}

async function withObjects(app: App): Promise<void> {
  await app.openClip();
  await app.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
  await app.waitForObjects(2);
}

const press = (key: string) => async (app: App) => {
  await withObjects(app);
  await app.page.keyboard.press(key);
  await app.page.waitForSelector('dialog[open]');
};

const STATES: Readonly<Record<string, { options?: OpenOptions; enter: (app: App) => Promise<unknown> }>> = {
  empty: { enter: async () => {} },
  'without a GPU': { options: { engine: 'none' }, enter: async () => {} },
  opened: { enter: (app) => app.openClip() },
  prompted: {
    enter: (app) =>
      app
        .openClip()
        .then(() => app.click(12, 12))
        .then(() => app.waitForObjects(1)),
  },
  tracking: {
    options: { query: 'delay=300' },
    enter: async (app) => {
      await withObjects(app);
      await app.page.keyboard.press('f');
      await app.page.waitForSelector('.progress');
    },
  },
  tracked: { enter: (app) => withObjects(app).then(() => app.track()) },
  'the review': { enter: (app) => withObjects(app).then(() => app.page.getByRole('tab', { name: /Review/ }).click()) },
  'the tracking tab': {
    enter: (app) => withObjects(app).then(() => app.page.getByRole('tab', { name: 'Tracking' }).click()),
  },
  export: { enter: press('Control+Shift+e') },
  settings: { enter: press('Control+,') },
  help: { enter: press('?') },
  commands: { enter: press('Control+k') },
  models: {
    enter: async (app) => {
      await app.page.getByRole('button', { name: 'Models' }).click();
      await app.page.waitForSelector('dialog[open]');
    },
  },
};

describeApp('accessibility', (open) => {
  it('axe finds nothing in any state, dark and light', { timeout: 300_000 }, async () => {
    const wrong: string[] = [];
    for (const [name, { options, enter }] of Object.entries(STATES)) {
      const app = await open({ ...options, reducedMotion: 'reduce' });
      await enter(app);
      for (const theme of ['dark', 'light']) {
        await app.page.evaluate((wanted) => {
          document.documentElement.dataset['theme'] = wanted;
        }, theme);
        wrong.push(...(await violations(app)).map((text) => `${name}, ${theme}: ${text}`));
      }
      await app.page.close();
    }
    expect(wrong).toEqual([]);
  });

  it('reflows at 320 pixels without a horizontal scroll bar', async () => {
    for (const enter of [async () => {}, (app: App) => app.openClip()]) {
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
