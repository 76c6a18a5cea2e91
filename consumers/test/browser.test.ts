import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasChromium, openPage } from '@samtrack/chromium';
import { describe, expect, it } from 'vitest';
import * as bundlers from '../src/bundlers.js';
import { consumer, THOROUGH } from '../src/packed.js';

/** Nothing from elsewhere, nothing inline, nothing evaluated. An import map is inline by nature: its hash is let through. */
function strictPolicy(html: string): string {
  const inline = [...html.matchAll(/<script type="importmap">([\s\S]*?)<\/script>/g)].map(
    ([, text]) => `'sha256-${createHash('sha256').update(text!).digest('base64')}'`,
  );
  return `default-src 'none'; script-src 'self' ${inline.join(' ')}; worker-src 'self'; connect-src 'self'; img-src data:`;
}

if (!hasChromium()) console.warn('No Chromium here: built pages are not opened.');

const tried = Object.entries(bundlers).filter(([name]) => THOROUGH || name === 'importMap');

describe.each(tried)('%s', (name, build) => {
  let dist: string;
  it('builds a page and a worker', async () => {
    dist = await build(consumer(name, 'browser'));
    expect(readFileSync(join(dist, 'index.html'), 'utf8')).toContain('<script type="module"');
  });

  it.skipIf(!hasChromium())('tracks three frames in page and worker, under a strict policy', async () => {
    const policy = strictPolicy(readFileSync(join(dist, 'index.html'), 'utf8'));
    const page = await openPage({ files: { '/': dist }, headers: { 'content-security-policy': policy } });
    try {
      const areas = await page.call<number[]>('trackInPage');
      expect(areas[0]).toBe(432);
      // The block keeps its size.
      for (const area of areas) expect(Math.abs(area - 432)).toBeLessThan(90);
      expect(await page.call('trackInWorker')).toEqual(areas);
      expect(page.problems).toEqual([]);
    } finally {
      await page.close();
    }
  });
});
