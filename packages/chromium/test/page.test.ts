import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChromiumError, findChromium, hasChromium, openPage, type Page } from '../src/index.js';
import { serve } from '../src/server.js';

const folder = mkdtempSync(join(tmpdir(), 'samtrack-chromium-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('findChromium', () => {
  it('says what it looked for', () => {
    expect(() => findChromium(join(folder, 'chrome'))).toThrow(`There is no Chromium at "${join(folder, 'chrome')}".`);
    const { PATH } = process.env;
    process.env['PATH'] = folder;
    try {
      expect(findChromium()).not.toContain(folder);
    } catch (error) {
      expect(error).toBeInstanceOf(ChromiumError);
      expect((error as ChromiumError).code).toBe('not-found');
      expect((error as ChromiumError).message).toContain(`chromium, chromium-browser, google-chrome`);
      expect((error as ChromiumError).message).toContain(folder);
    } finally {
      process.env['PATH'] = PATH;
    }
  });
});

describe('serve', () => {
  it('serves what it was given and nothing beside it', { timeout: 10_000 }, async () => {
    writeFileSync(join(folder, 'a.wasm'), 'wasm');
    writeFileSync(join(tmpdir(), `${folder.split('/').at(-1)}.txt`), 'beside');
    const { server, origin } = await serve({ texts: { '/': 'page' }, files: { '/lib/': folder } });
    try {
      expect(await (await fetch(`${origin}/`)).text()).toBe('page');
      const file = await fetch(`${origin}/lib/a.wasm`);
      expect([file.status, file.headers.get('content-type'), await file.text()]).toEqual([
        200,
        'application/wasm',
        'wasm',
      ]);
      expect(file.headers.get('cross-origin-embedder-policy')).toBe('require-corp');
      for (const path of ['/lib/b.wasm', '/lib/', '/other', `/lib/..%2f${folder.split('/').at(-1)}.txt`, '/%zz']) {
        expect((await fetch(`${origin}${path}`)).status, path).toBe(404);
      }
    } finally {
      server.close();
      rmSync(join(tmpdir(), `${folder.split('/').at(-1)}.txt`));
    }
  });
});

if (!hasChromium()) console.warn('No Chromium here: pages are not tested in it.');

describe.skipIf(!hasChromium())('a page in Chromium', { timeout: 60_000 }, () => {
  let page: Page;
  const script = join(folder, 'page.ts');
  beforeAll(async () => {
    writeFileSync(
      script,
      `const answer: number = 42;
       Object.assign(globalThis, {
         add: (x: number[]) => ({ sum: x[0]! + x[1]! + answer, isolated: crossOriginIsolated }),
         fail: () => { throw new RangeError('too far'); },
         hang: () => new Promise(() => {}),
         loop: () => { for (;;); },
       });`,
    );
    page = await openPage({ script });
  });
  afterAll(() => page?.close());

  it('is called with plain data', async () => {
    expect(await page.call('add', [1, 2])).toEqual({ sum: 45, isolated: true });
    expect(page.version).toMatch(/^\d+\.\d+/);
    expect(page.problems).toEqual([]);
  });

  it('passes on what its functions throw', async () => {
    await expect(page.call('fail')).rejects.toThrow('fail failed in Chromium: RangeError: too far');
    await expect(page.call('missing')).rejects.toMatchObject({ code: 'page' });
  });

  it('does not wait for ever', async () => {
    await expect(page.call('hang', undefined, 50)).rejects.toMatchObject({ code: 'timeout' });
  });

  it('says why a script does not load', async () => {
    writeFileSync(join(folder, 'broken.ts'), `throw new Error('not today');`);
    await expect(openPage({ script: join(folder, 'broken.ts') })).rejects.toThrow(/not today/);
  });

  it('ends with its signal, even in the middle of an endless loop', async () => {
    const controller = new AbortController();
    const busy = await openPage({ script, signal: controller.signal });
    const { port } = new URL(busy.origin);
    const call = busy.call('loop');
    setTimeout(() => controller.abort(), 200);
    await expect(call).rejects.toBeInstanceOf(ChromiumError);
    await busy.close();
    await expect(fetch(`http://localhost:${port}/`)).rejects.toThrow();
    await expect(openPage({ script, signal: controller.signal })).rejects.toThrow(/abort/);
  });

  it('says why a program does not start', async () => {
    const program = join(folder, 'chromium');
    writeFileSync(program, '#!/bin/sh\nexit 3\n', { mode: 0o755 });
    await expect(openPage({ script, executablePath: program })).rejects.toMatchObject({ code: 'launch' });
  });

  it('leaves no process behind', async () => {
    const profiles = () =>
      execFileSync('ps', ['-eo', 'ppid,args'], { encoding: 'utf8' }).match(
        new RegExp(`^\\s*${process.pid} .*--remote-debugging-pipe`, 'gm'),
      )?.length ?? 0;
    expect(profiles()).toBe(1);
    await page.close();
    expect(profiles()).toBe(0);
  });
});
