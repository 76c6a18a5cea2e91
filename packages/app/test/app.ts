import type { Server } from 'node:http';
import { findChromium, hasChromium } from '@samtrack/chromium';
import { decode } from 'fast-png';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import { serveFolder } from '../serve.mjs';
import type { EngineKind, Snapshot } from '../src/protocol.js';
import { clipZip } from './clip.js';
import { APP_FOLDER } from './folder.js';

const FLAGS = [
  '--no-sandbox',
  '--disable-background-networking',
  // WebGL by Chromium's own software: what every machine has.
  '--enable-unsafe-swiftshader',
  // A camera that shows a test picture, and is allowed.
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
];

/** WebGPU likewise. Without these there is no adapter. */
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'] as const;

export interface OpenOptions extends BrowserContextOptions {
  /** What follows the address's `?`, beside the engine. */
  readonly query?: string;
  /** Default `toy`. */
  readonly engine?: EngineKind | 'auto';
  /** Run in the page before anything else. */
  readonly before?: string;
  /** Run in the engine's worker before anything else. */
  readonly beforeEngine?: string;
  /** In place of the address that the page is served at. */
  readonly at?: (origin: string) => string;
  /** In the same browser profile as another page. */
  readonly context?: BrowserContext;
  /** Errors in the console that belong to the test. */
  readonly expected?: RegExp;
}

/** A page in which the app runs. */
export class App {
  /** What nobody wants to see: errors in the console, requests to other hosts, violations of the page's policy. */
  readonly problems: string[] = [];

  constructor(
    readonly page: Page,
    readonly context: BrowserContext,
    readonly origin: string,
    expected: RegExp | undefined,
  ) {
    const note = (text: string) => {
      if (!expected?.test(text)) this.problems.push(text);
    };
    page.on('pageerror', ({ message }) => note(`error: ${message}`));
    page.on('console', (message) => {
      if (message.type() === 'error') note(`console: ${message.text()}`);
    });
    context.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(origin) && !/^(blob|data):/.test(url)) note(`request to ${url}`);
    });
  }

  /** Drops files on the page. */
  async drop(...files: readonly { name: string; bytes: Uint8Array; type?: string; path?: string }[]): Promise<void> {
    const plain = files.map(({ name, bytes, type = '' }) => ({
      name,
      type,
      data: Buffer.from(bytes).toString('base64'),
    }));
    await this.page.evaluate((given) => {
      const transfer = new DataTransfer();
      for (const { name, type, data } of given) {
        const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
      }
      const target = document.querySelector('.drop') ?? document.body;
      target.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: transfer }));
    }, plain);
  }

  /** Opens the clip of plain shapes. */
  async openClip(frames?: number): Promise<void> {
    await this.drop({ name: 'shapes.zip', bytes: clipZip(frames), type: 'application/zip' });
    await this.ready();
  }

  /** Waits until a project is open and its frame is shown. */
  async ready(): Promise<void> {
    await this.page.waitForSelector('.stage canvas', { timeout: 30_000 });
    await this.page.waitForFunction(() => !document.querySelector('.stage-busy, .page-busy'));
  }

  snapshot(): Promise<Snapshot> {
    return this.page.evaluate(() => globalThis.samtrack.snapshot());
  }

  /** What the masks of a frame are, or one object's, as a hash; empty where there are none. */
  hash(frame: number, object?: number): Promise<string> {
    return this.page.evaluate(([index, id]) => globalThis.samtrack.labelHash(index, id), [frame, object] as const);
  }

  hashes(count: number, object?: number): Promise<string[]> {
    return this.page.evaluate(
      async ([frames, id]) => {
        const all: string[] = [];
        for (let frame = 0; frame < frames; frame++) all.push(await globalThis.samtrack.labelHash(frame, id));
        return all;
      },
      [count, object] as const,
    );
  }

  /** Pixels of each object in a frame. */
  async areas(frame: number): Promise<Map<number, number>> {
    const areas = await this.page.evaluate((index) => globalThis.samtrack.areas(index), frame);
    return new Map(Object.entries(areas).map(([id, area]) => [Number(id), area]));
  }

  /** Where a pixel of the video is in the window. */
  async place(x: number, y: number): Promise<{ x: number; y: number }> {
    return this.page.evaluate(
      ([px, py]) => {
        const { scale, left, top } = globalThis.samtrack.viewport();
        const box = document.querySelector('.stage')!.getBoundingClientRect();
        return { x: box.left + left + px! * scale, y: box.top + top + py! * scale };
      },
      [x, y],
    );
  }

  /** Goes to a frame, and waits until it is the one that is shown. */
  async goTo(frame: number): Promise<void> {
    await this.page.evaluate((at) => globalThis.samtrack.seek(at), frame);
    await this.showing(frame);
  }

  /** Waits until the page shows a frame, and knows it. */
  async showing(frame: number): Promise<void> {
    await this.page.locator(`.stage[aria-label*=" frame ${frame} of "]`).waitFor();
  }

  /** Clicks a pixel of the video. */
  async click(x: number, y: number, options: Parameters<Page['mouse']['click']>[2] = {}): Promise<void> {
    const at = await this.place(x, y);
    await this.page.mouse.click(at.x, at.y, options);
  }

  /** Names of the objects, from the list. */
  objects(): Promise<string[]> {
    return this.page.locator('.object-select strong').allInnerTexts();
  }

  async waitForObjects(count: number): Promise<void> {
    await this.page
      .waitForFunction((n) => document.querySelectorAll('.object').length === n, count)
      .catch(async (cause) => {
        const [objects, notices] = [await this.objects(), await this.notices()];
        throw new Error(`objects: ${objects.join(', ') || 'none'}; notices: ${notices.join(' | ') || 'none'}`, {
          cause,
        });
      });
  }

  /** Tracks, and waits for the end. */
  track(): Promise<void> {
    return this.run(() => this.page.getByRole('button', { name: 'Track', exact: true }).click());
  }

  /** Does something that starts a run, and waits for the run's end. */
  async run(start: () => Promise<unknown>): Promise<void> {
    const { runs } = await this.snapshot();
    await start();
    await expect.poll(async () => (await this.snapshot()).runs, { timeout: 90_000 }).toBeGreaterThan(runs);
  }

  /** Waits until nothing runs. */
  async idle(): Promise<void> {
    await this.page.waitForFunction(() => document.querySelector('.progress') === null, undefined, {
      timeout: 120_000,
    });
    await expect.poll(async () => (await this.snapshot()).run, { timeout: 60_000 }).not.toBe('running');
  }

  /** Red, green and blue of what is on the screen at a pixel of the video. */
  async colourAt(x: number, y: number): Promise<number[]> {
    const at = await this.place(x, y);
    const clip = { x: Math.round(at.x), y: Math.round(at.y), width: 1, height: 1 };
    return [...decode(await this.page.screenshot({ clip })).data.slice(0, 3)];
  }

  /** The same of what is drawn on the stage's canvas, whatever lies over it; quicker than a picture of the screen. */
  drawnAt(x: number, y: number): Promise<number[]> {
    return this.page.evaluate(
      ([px, py]) => {
        const { scale, left, top } = globalThis.samtrack.viewport();
        const canvas = document.querySelector<HTMLCanvasElement>('.stage canvas')!;
        const ratio = canvas.width / canvas.getBoundingClientRect().width;
        const context = new OffscreenCanvas(1, 1).getContext('2d')!;
        const [sx, sy] = [left + px! * scale, top + py! * scale].map((at) => Math.floor(at * ratio)) as [
          number,
          number,
        ];
        context.drawImage(canvas, sx, sy, 1, 1, 0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
      },
      [x, y],
    );
  }

  /** Texts of the notices. */
  notices(): Promise<string[]> {
    return this.page.locator('.toast p').allInnerTexts();
  }
}

/**
 * Measures until a result is within the limit, five times at most: other programs on the machine make it slower, and nothing makes it
 * faster. @returns the least
 */
export async function leastOf(limit: number, measure: () => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5 && least >= limit; attempt++) least = Math.min(least, await measure());
  return least;
}

if (!hasChromium()) {
  console.warn(
    'No Chromium here: the app is not tested. `apt-get install chromium`, or any Chrome in PATH, and run again.',
  );
}

/** Tests of the app in one Chromium; each test opens pages of its own, and what is wrong in any of them fails it. */
export function describeApp(
  title: string,
  tests: (open: (options?: OpenOptions) => Promise<App>) => void,
  { flags = WEBGPU }: { flags?: readonly string[] } = {},
): void {
  describe.skipIf(!hasChromium())(title, { timeout: 120_000 }, () => {
    let browser: Browser | undefined;
    let server: Server | undefined;
    let origin = '';
    let opened: App[] = [];
    beforeAll(async () => {
      ({ server, origin } = await serveFolder(APP_FOLDER));
      browser = await chromium.launch({ executablePath: findChromium(), args: [...FLAGS, ...flags] });
    });
    afterEach(async () => {
      const problems = opened.flatMap((app) => app.problems);
      for (const context of new Set(opened.map((app) => app.context))) await context.close();
      opened = [];
      expect(problems).toEqual([]);
    });
    afterAll(async () => {
      await browser?.close();
      server?.closeAllConnections();
      server?.close();
    });
    tests(async ({ query = '', engine = 'toy', before, beforeEngine, at, context, expected, ...options } = {}) => {
      const own = context ?? (await browser!.newContext({ viewport: { width: 1280, height: 800 }, ...options }));
      own.setDefaultTimeout(30_000);
      const page = await own.newPage();
      // Native pickers cannot be driven from here; without them the page takes what other browsers have.
      await page.addInitScript(
        `for (const name of ['showOpenFilePicker', 'showSaveFilePicker', 'showDirectoryPicker']) delete globalThis[name];
         ${before ?? ''}`,
      );
      if (beforeEngine) {
        await own.route('**/engine.js', async (route) => {
          const response = await route.fetch();
          await route.fulfill({ response, body: `${beforeEngine};${await response.text()}` });
        });
      }
      const address = at ? at(origin) : origin;
      const app = new App(page, own, address, expected);
      opened.push(app);
      await page.goto(`${address}/?engine=${engine}&offline=no&${query}`);
      await page.waitForSelector('.start h1, .workspace, .take-over');
      return app;
    });
  });
}
