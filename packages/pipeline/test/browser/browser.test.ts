import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, describe, expect, it } from 'vitest';
import { DEAOT_T_WEIGHTS } from '../tracking/scene.js';
import type { PageResult } from './page.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/google-chrome', '/usr/bin/chromium-browser'].find(existsSync);
const FLAGS = ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

let browser: Browser | undefined;
let server: Server | undefined;
afterAll(async () => {
  await browser?.close();
  server?.close();
});

if (!CHROMIUM) console.warn('No Chromium here: sessions are not tested in a browser.');

describe.skipIf(!CHROMIUM)('a session in Chromium', () => {
  it('is kept in the private file system, and goes on from there', { timeout: 600_000 }, async () => {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL('page.ts', import.meta.url))],
      bundle: true,
      format: 'esm',
      platform: 'browser',
      write: false,
      conditions: ['samtrack-source', 'browser'],
      loader: { '.wgsl': 'text' },
    });
    const served: Record<string, [type: string, content: string]> = {
      '/': ['text/html', '<!doctype html><script type="module" src="page.js"></script>'],
      '/page.js': ['text/javascript', outputFiles[0]!.text],
      '/deaot-t.manifest.json': ['application/json', readFileSync(DEAOT_T_WEIGHTS, 'utf8')],
    };
    // A page of an HTTP server on this machine: WebGPU wants a secure context, which localhost is.
    server = createServer(({ url }, response) => {
      const file = served[url!];
      response.writeHead(file ? 200 : 404, { 'content-type': file?.[0] ?? 'text/plain' }).end(file?.[1]);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server!.once('listening', resolve));
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
    await page.goto(origin);
    await page.waitForFunction('globalThis.runSession !== undefined');
    const result = (await page.evaluate(`globalThis.runSession('${origin}/deaot-t.manifest.json')`)) as PageResult;
    expect(problems).toEqual([]);
    expect(result).toMatchObject({
      frames: [
        [0, 1, 2],
        [3, 4, 5],
      ],
      second: 'busy',
      same: true,
      redone: true,
      files: ['2.jsonl'],
    });
    expect(result.different).toBeGreaterThan(3);
  });
});
