import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasChromium, openPage, type Page } from '@samtrack/chromium';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeLabelPng } from '../../src/io/index.js';
import type { FilesResult } from './files-page.js';

const WEIGHTS = fileURLToPath(new URL('../../../../weights/embedded/deaot-t.safetensors', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'samtrack-files-'));
let page: Page | undefined;
afterAll(async () => {
  await page?.close();
  rmSync(folder, { recursive: true, force: true });
});

if (!hasChromium()) console.warn('No Chromium here: files by URL are not tested in a browser.');

describe.skipIf(!hasChromium())('in Chromium', () => {
  it('weights are fetched once and kept, and sources are opened by URL', { timeout: 300_000 }, async () => {
    const picture = join(folder, 'picture.png');
    writeFileSync(picture, await encodeLabelPng({ width: 4, height: 2, data: Uint16Array.of(0, 1, 1, 0, 0, 1, 1, 0) }));
    page = await openPage({
      script: fileURLToPath(new URL('files-page.ts', import.meta.url)),
      files: { '/deaot-t.safetensors': WEIGHTS, '/picture.png': picture },
    });
    const { origin } = page;
    const result = await page.call<FilesResult>('openFiles', {
      weights: `${origin}/deaot-t.safetensors`,
      picture: `${origin}/picture.png`,
    });
    const { size } = statSync(WEIGHTS);
    expect(result).toMatchObject({
      same: true,
      uncached: 'CheckpointError',
      caches: ['samtrack-weights'],
      source: ['images', 4, 2],
      ids: [0, 1],
      refused: ['unsupported', 'unsupported'],
    });
    const [first, second, offline] = result.taken;
    expect(first).toBeLessThanOrEqual(1.1 * size);
    expect(first).toBeGreaterThanOrEqual(size);
    // A look at whether the server still has the same.
    expect(second).toBeLessThan(0.1 * size);
    expect(offline).toBe(0);
    expect(page.problems).toEqual([]);
  });
});
