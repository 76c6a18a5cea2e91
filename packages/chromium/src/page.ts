import type { Server } from 'node:http';
import { build } from 'esbuild';
import { type Browser, chromium, type Page as PlaywrightPage } from 'playwright-core';
import { ChromiumError, findChromium } from './find.js';
import { serve } from './server.js';

/** Time for Chromium to start and for a page to load, milliseconds. */
const START_MS = 60_000;

const COMMON_FLAGS = ['--no-sandbox', '--enable-unsafe-webgpu', '--disable-background-networking'];
const ADAPTER_FLAGS = {
  // Without a display, Chromium on Linux finds a GPU only through Vulkan.
  gpu:
    process.platform === 'linux' ? ['--enable-features=Vulkan', '--use-angle=vulkan', '--disable-vulkan-surface'] : [],
  // Chromium offers its software adapter only when asked; with it pages compute, but cannot show a WebGPU canvas.
  software: ['--use-webgpu-adapter=swiftshader'],
} as const;

/** Who gives a signal of their own says when Chromium ends; it ends with this process in any case. */
const NO_SIGNALS = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };

export interface PageOptions {
  /**
   * The page's script, TypeScript or JavaScript; bundled with the sources of the packages it imports. Without one the page is
   * the `index.html` of the folder that `files` has for `/`.
   */
  readonly script?: string;
  /** More that the page may ask for: files by path, or folders by paths that end in a slash. */
  readonly files?: Readonly<Record<string, string>>;
  /** Sent with everything, such as a `content-security-policy`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Modules that are not bundled, and that the page must not import then. */
  readonly external?: readonly string[];
  /** Which adapter WebGPU has; `software` by default, which every machine has. */
  readonly adapter?: 'gpu' | 'software';
  /** Chromium's program; looked for otherwise. */
  readonly executablePath?: string;
  /** Closes the page; then what interrupts this process is the caller's to turn into this signal. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a page in a Chromium of its own, without a window. It is closed by `close`, by the signal, and when this process
 * is interrupted or ends.
 * @throws ChromiumError where there is no Chromium, or it does not start, or the page does not load
 */
export async function openPage(options: PageOptions): Promise<Page> {
  const { script, files = {}, headers = {}, external = [], adapter = 'software', signal } = options;
  signal?.throwIfAborted();
  const executablePath = findChromium(options.executablePath);
  const texts = script === undefined ? {} : await pageOf(script, external);
  const { server, origin } = await serve({ texts, files, headers });
  let browser: Browser;
  try {
    const args = [...COMMON_FLAGS, ...ADAPTER_FLAGS[adapter]];
    browser = await chromium.launch({ executablePath, args, timeout: START_MS, ...(signal ? NO_SIGNALS : {}) });
  } catch (cause) {
    server.close();
    throw new ChromiumError('launch', `${executablePath} does not start: ${firstLine(cause)}`, { cause });
  }
  const page = new Page(browser, server, await browser.newPage(), origin);
  signal?.addEventListener('abort', () => void page.close(), { once: true });
  try {
    await page.load(script !== undefined);
    signal?.throwIfAborted();
    return page;
  } catch (error) {
    await page.close();
    throw signal?.aborted ? signal.reason : error;
  }
}

/** A page with one script, and the script. */
async function pageOf(script: string, external: readonly string[]): Promise<Record<string, string>> {
  const { outputFiles } = await build({
    entryPoints: [script],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    conditions: ['samtrack-source', 'browser'],
    loader: { '.wgsl': 'text' },
    external: [...external],
    logLevel: 'silent',
  });
  return {
    '/': '<!doctype html><link rel="icon" href="data:,"><script type="module" src="page.js"></script>',
    '/page.js': outputFiles[0]!.text,
  };
}

/** A page and the Chromium that it is in. */
export class Page {
  /** Messages of errors that nothing in the page caught. */
  readonly problems: string[] = [];
  #closed: Promise<void> | undefined;

  constructor(
    private readonly browser: Browser,
    private readonly server: Server,
    private readonly page: PlaywrightPage,
    /** Where the page comes from. */
    readonly origin: string,
  ) {
    page.on('pageerror', ({ message }) => this.problems.push(message));
  }

  /** Of Chromium, as it says itself. */
  get version(): string {
    return this.browser.version();
  }

  /** @internal */
  async load(hasScript: boolean): Promise<void> {
    try {
      await this.page.goto(`${this.origin}/`, { timeout: START_MS });
      // A module's script may go on after the page has loaded.
      if (hasScript) await this.page.evaluate("import('/page.js')");
    } catch (cause) {
      throw new ChromiumError('page', `The page does not load: ${this.problems[0] ?? firstLine(cause)}`, { cause });
    }
  }

  /**
   * Calls a global function of the page, and waits for what it promises.
   * @param argument Plain data, as is the result.
   * @throws ChromiumError `timeout` after so many milliseconds, `page` where the function throws or the page crashes
   */
  async call<T>(name: string, argument?: unknown, timeoutMs = 300_000): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `${name} took longer than ${timeoutMs / 1000} s in Chromium.`;
      timer = setTimeout(() => reject(new ChromiumError('timeout', message)), timeoutMs);
    });
    // The page's answer after the time is over has no one to go to.
    const called = this.page.evaluate(`globalThis.${name}(${JSON.stringify(argument) ?? ''})`);
    called.catch(() => {});
    try {
      return (await Promise.race([called, late])) as T;
    } catch (cause) {
      if (cause instanceof ChromiumError) throw cause;
      throw new ChromiumError('page', `${name} failed in Chromium: ${firstLine(cause)}`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends Chromium and the server, and resolves when they have ended. Harmless when done already. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.browser.close();
    this.server.closeAllConnections();
    this.server.close();
  }
}

const firstLine = (error: unknown): string =>
  (error as Error).message.replace(/^[a-zA-Z]+\.[a-zA-Z]+: /, '').split('\n')[0]!;
