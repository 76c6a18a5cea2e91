import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, describe, expect, it } from 'vitest';
import type { PageResult } from './page.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/google-chrome', '/usr/bin/chromium-browser'].find(existsSync);
/** Chromium offers its software adapter only when asked; this profile computes, but cannot show a WebGPU canvas. */
const FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-background-networking',
];

let browser: Browser | undefined;
let server: Server | undefined;
afterAll(async () => {
  await browser?.close();
  server?.close();
});

if (!CHROMIUM) console.warn('No Chromium here: the kernels are not tested in a browser.');

describe.skipIf(!CHROMIUM)('in Chromium', () => {
  it('computes what it computes under Dawn', { timeout: 300_000 }, async () => {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL('page.ts', import.meta.url))],
      bundle: true,
      format: 'esm',
      write: false,
      conditions: ['samtrack-source', 'browser'],
      loader: { '.wgsl': 'text' },
    });
    // A page of an HTTP server on this machine: WebGPU wants a secure context, which localhost is.
    server = createServer((request, response) => {
      const script = request.url === '/page.js';
      response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
      response.end(script ? outputFiles[0]!.text : '<!doctype html><script type="module" src="page.js"></script>');
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server!.once('listening', resolve));
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction('globalThis.runCases !== undefined');
    const result = (await page.evaluate('globalThis.runCases()')) as PageResult;
    expect(problems).toEqual([]);
    expect(result.cases.length).toBeGreaterThan(5);
    for (const { name, errors, tolerance } of result.cases) {
      for (const [variant, error] of Object.entries(errors)) {
        expect(error, `${name}, ${variant}`).toBeLessThanOrEqual(tolerance);
      }
    }
    expect(result.leakedTensors).toBe(0);
  });
});
