import { fileURLToPath } from 'node:url';
import { hasChromium, openPage, type Page } from '@samtrack/chromium';
import { afterAll, describe, expect, it } from 'vitest';
import type { AttachResult } from './attach-page.js';
import type { PageResult } from './page.js';

let page: Page | undefined;
afterAll(() => page?.close());

if (!hasChromium()) console.warn('No Chromium here: the kernels are not tested in a browser.');

describe.skipIf(!hasChromium())('in Chromium', () => {
  it('computes what it computes under Dawn', { timeout: 300_000 }, async () => {
    page = await openPage({ script: fileURLToPath(new URL('page.ts', import.meta.url)) });
    const result = await page.call<PageResult>('runCases');
    expect(page.problems).toEqual([]);
    expect(result.cases.length).toBeGreaterThan(5);
    for (const { name, errors, tolerance } of result.cases) {
      for (const [variant, error] of Object.entries(errors)) {
        expect(error, `${name}, ${variant}`).toBeLessThanOrEqual(tolerance);
      }
    }
    expect(result.leakedTensors).toBe(0);
  });

  it('shares the device of a page that runs tfjs on WebGPU, and leaves it as it was', {
    timeout: 300_000,
  }, async () => {
    const other = await openPage({ script: fileURLToPath(new URL('attach-page.ts', import.meta.url)) });
    try {
      expect(await other.call<AttachResult>('attachToPage')).toEqual({
        refused: 'RuntimeInUseError',
        shared: true,
        product: Array(8).fill(3),
        later: [2, 3],
        lost: false,
      });
      expect(other.problems).toEqual([]);
    } finally {
      await other.close();
    }
  });
});
