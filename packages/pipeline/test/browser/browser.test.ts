import { fileURLToPath } from 'node:url';
import { hasChromium, openPage, type Page } from '@samtrack/chromium';
import { afterAll, describe, expect, it } from 'vitest';
import { DEAOT_T_WEIGHTS } from '../tracking/scene.js';
import type { PageResult } from './page.js';

let page: Page | undefined;
afterAll(() => page?.close());

if (!hasChromium()) console.warn('No Chromium here: sessions are not tested in a browser.');

describe.skipIf(!hasChromium())('a session in Chromium', () => {
  it('is kept in the private file system, and goes on from there', { timeout: 600_000 }, async () => {
    page = await openPage({
      script: fileURLToPath(new URL('page.ts', import.meta.url)),
      files: { '/deaot-t.manifest.json': DEAOT_T_WEIGHTS },
    });
    const result = await page.call<PageResult>('runSession', `${page.origin}/deaot-t.manifest.json`, 600_000);
    expect(page.problems).toEqual([]);
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
