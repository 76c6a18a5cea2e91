import { findChromium, hasChromium } from '@samtrack/chromium';
import { decode } from 'fast-png';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type ConsoleMessage,
  chromium,
  type Page,
  type Request,
} from 'playwright-core';
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
  /**
   * Default: with WebGL where the engine is none of the toy's. It is drawn by software here, which takes much longer than all else that the
   * toy's tests do.
   */
  readonly present?: 'auto' | '2d';
  /** In a browser profile that no other test has, for what changes more of it than its storage. */
  readonly fresh?: boolean;
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

/** A file as it is dropped. */
export interface DroppedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly type?: string;
}

/** A page in which the app runs. */
export class App {
  /** What nobody wants to see: errors in the console, requests to other hosts, violations of the page's policy. */
  readonly problems: string[] = [];

  readonly #expected: RegExp | undefined;

  constructor(
    readonly page: Page,
    readonly context: BrowserContext,
    readonly origin: string,
    expected: RegExp | undefined,
  ) {
    this.#expected = expected;
    page.on('pageerror', this.#onError).on('console', this.#onConsole);
    context.on('request', this.#onRequest);
  }

  /** Looks no more for what is wrong in the page. */
  leave(): void {
    this.page.off('pageerror', this.#onError).off('console', this.#onConsole).removeAllListeners('dialog');
    this.context.off('request', this.#onRequest);
  }

  readonly #onError = ({ message }: Error) => this.#note(`error: ${message}`);
  readonly #onConsole = (message: ConsoleMessage) => {
    if (message.type() === 'error') this.#note(`console: ${message.text()}`);
  };
  readonly #onRequest = (request: Request) => {
    const url = request.url();
    if (!url.startsWith(this.origin) && !/^(blob|data|about):/.test(url)) this.#note(`request to ${url}`);
  };

  #note(text: string): void {
    if (!this.#expected?.test(text)) this.problems.push(text);
  }

  /** Drops files on the page. */
  async drop(...files: readonly DroppedFile[]): Promise<void> {
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
    await this.opens({ name: 'shapes.zip', bytes: clipZip(frames), type: 'application/zip' });
  }

  /** Drops a file that becomes a project, and waits for that. */
  async opens(file: DroppedFile): Promise<void> {
    const { project } = await this.snapshot();
    await this.drop(file);
    await expect.poll(async () => (await this.snapshot()).project).not.toBe(project);
    await this.ready();
  }

  /** Waits until a project is open and its frame is shown. */
  async ready(): Promise<void> {
    await this.page.waitForSelector('.stage canvas');
    await this.page.waitForFunction(() => !document.querySelector('.stage-busy, .page-busy'));
    await this.snapshot();
  }

  /** Where the engine is, once what was asked of it is done. The page knows it then, and shows it. */
  snapshot(): Promise<Snapshot> {
    return this.page.evaluate(() => globalThis.samtrack.settled());
  }

  /** Waits until the toy tracker, which was opened with `holds`, waits before that frame on its way forward. */
  async held(frame: number): Promise<void> {
    await expect.poll(async () => (await this.snapshot()).frame).toBe(frame - 1);
  }

  /** Waits until the engine has heard that the run is to end, whatever it waits for. */
  async stopping(): Promise<void> {
    await this.page.waitForFunction(async () => (await globalThis.samtrack.snapshot()).run === 'stopping');
  }

  /** Lets the tracker go on to a frame; it does not wait there again. */
  async release(frame: number): Promise<void> {
    await this.page.evaluate((held) => {
      const channel = new BroadcastChannel('samtrack toy');
      channel.postMessage(held);
      channel.close();
    }, frame);
  }

  /** What the masks of a frame are, or one object's, as a hash; empty where there are none. */
  hash(frame: number, object?: number): Promise<string> {
    return this.hashes(frame + 1, object, frame).then(([hash]) => hash!);
  }

  /** The same of all frames before one, from the first or another one on. What was asked of the engine is done by then. */
  hashes(to: number, object?: number, from = 0): Promise<string[]> {
    return this.page.evaluate(
      async ([first, end, id]) => {
        await globalThis.samtrack.settled();
        const all: string[] = [];
        for (let frame = first; frame < end; frame++) all.push(await globalThis.samtrack.labelHash(frame, id));
        return all;
      },
      [from, to, object] as const,
    );
  }

  /** Pixels of each object in a frame. */
  async areas(frame: number): Promise<Map<number, number>> {
    const areas = await this.page.evaluate(async (index) => {
      await globalThis.samtrack.settled();
      return globalThis.samtrack.areas(index);
    }, frame);
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

  /** Gives an object another name, by the keyboard. */
  async rename(id: number, name: string): Promise<void> {
    const { keyboard } = this.page;
    await keyboard.press(String(id));
    await keyboard.press('F2');
    await this.page.locator('.object-name input:focus').waitFor();
    await keyboard.type(name);
    await keyboard.press('Enter');
    await expect.poll(() => this.objects()).toContain(name);
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
    // What made them is over, and the new one is chosen.
    await this.snapshot();
  }

  /** Tracks, and waits for the end. */
  track(): Promise<void> {
    return this.run(() => this.page.getByRole('button', { name: 'Track', exact: true }).click());
  }

  /** Does something that starts a run, and waits for the run's end. */
  async run(start: () => Promise<unknown>): Promise<void> {
    const { runs } = await this.snapshot();
    await start();
    await expect.poll(async () => (await this.snapshot()).runs).toBeGreaterThan(runs);
  }

  /** Waits until nothing runs. */
  async idle(): Promise<void> {
    await expect.poll(async () => (await this.snapshot()).run).not.toMatch(/running|stopping/);
    await this.page.locator('.progress').waitFor({ state: 'detached' });
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

  /** What was told in passing last, as people hear it; its notice goes after a while. */
  announced(): Promise<string | null> {
    return this.page.locator('[aria-live=polite]').textContent();
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

/** What takes longer than this has failed, however much else the machine has to do; milliseconds. */
const LIMIT_MS = 60_000;

/** The browsers of a file's tests, by their flags. */
const browsers = new Map<string, Promise<Browser>>();
let served: ReturnType<typeof serveFolder> | undefined;
afterAll(async () => {
  for (const browser of browsers.values()) await (await browser).close();
  const { server } = (await served) ?? {};
  server?.closeAllConnections();
  server?.close();
});

/** A page in a browser profile of its own, which tests use one after the other. */
interface Seat {
  readonly context: BrowserContext;
  readonly page: Page;
}

const take = async (browser: Browser, options: BrowserContextOptions): Promise<Seat> => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(LIMIT_MS);
  return { context, page: await newPage(context) };
};

async function newPage(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  // Native pickers cannot be driven from here; without them the page takes what other browsers have.
  await page.addInitScript(
    `for (const name of ['showOpenFilePicker', 'showSaveFilePicker', 'showDirectoryPicker']) delete globalThis[name];`,
  );
  return page;
}

/** Leaves nothing of the test before: its workers are ended, then what is stored is removed. */
async function empty({ context, page }: Seat, origin: string): Promise<void> {
  await page.goto('about:blank');
  await expect.poll(() => page.workers().length).toBe(0);
  const session = await context.newCDPSession(page);
  await session.send('Storage.clearDataForOrigin', { origin, storageTypes: 'all' });
  await session.detach();
}

/**
 * Tests of the app. Each test opens pages of its own, and what is wrong in any of them fails it. A page that has been at the app takes a third
 * of the time to come there again, so a test that changes nothing of the profile but what is stored leaves its page, emptied, to the next one.
 * @param alone in a browser that no others use, for what breaks it
 */
export function describeApp(
  title: string,
  tests: (open: (options?: OpenOptions) => Promise<App>) => void,
  { flags = WEBGPU, alone = false }: { flags?: readonly string[]; alone?: boolean } = {},
): void {
  describe.skipIf(!hasChromium())(title, { timeout: 180_000 }, () => {
    let browser: Browser;
    let origin = '';
    let opened: App[] = [];
    /** Pages that the next test may have, by what they were opened with. */
    const seats = new Map<string, Seat>();
    /** Those of the test under way. */
    const lent = new Map<Seat, string>();
    beforeAll(async () => {
      served ??= serveFolder(APP_FOLDER);
      ({ origin } = await served);
      const key = alone ? title : flags.join(' ');
      if (!browsers.has(key)) {
        const args = [...FLAGS, ...flags];
        browsers.set(key, chromium.launch({ executablePath: findChromium(), args, timeout: LIMIT_MS }));
      }
      browser = await browsers.get(key)!;
    });
    afterEach(async ({ task }) => {
      const problems = opened.flatMap((app) => app.problems);
      for (const app of opened) app.leave();
      const whole = task.result?.state !== 'fail' && problems.length === 0;
      const kept = new Set([...lent.keys()].filter(({ context }) => whole && context.pages().length === 1));
      for (const seat of kept) seats.set(lent.get(seat)!, seat);
      const contexts = new Set([...opened, ...lent.keys()].map(({ context }) => context));
      for (const { context } of kept) contexts.delete(context);
      for (const context of contexts) await context.close();
      opened = [];
      lent.clear();
      expect(problems).toEqual([]);
    });
    afterAll(async () => {
      for (const { context } of seats.values()) await context.close();
    });

    async function seatFor(options: BrowserContextOptions): Promise<Seat> {
      const key = JSON.stringify(options);
      const left = seats.get(key);
      seats.delete(key);
      const seat = left ?? (await take(browser, options));
      lent.set(seat, key);
      if (left) await empty(left, origin);
      return seat;
    }

    tests(async (asked = {}) => {
      const { query = '', engine = 'toy', before, beforeEngine, at, context: given, expected, fresh, ...rest } = asked;
      const { present = engine === 'toy' ? '2d' : 'auto', ...options } = rest;
      const own = fresh || at !== undefined || before !== undefined || beforeEngine !== undefined;
      const { context, page } = given
        ? { context: given, page: await newPage(given) }
        : await (own ? take(browser, options) : seatFor(options));
      if (before) await page.addInitScript(before);
      if (beforeEngine) {
        await context.route('**/engine.js', async (route) => {
          const response = await route.fetch();
          await route.fulfill({ response, body: `${beforeEngine};${await response.text()}` });
        });
      }
      const address = at ? at(origin) : origin;
      const app = new App(page, context, address, expected);
      opened.push(app);
      await page.goto(`${address}/?engine=${engine}&present=${present}&offline=no&${query}`);
      await page.waitForSelector('.start h1, .workspace, .take-over');
      return app;
    });
  });
}
