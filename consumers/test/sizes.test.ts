import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { consumer } from '../src/packed.js';
import { measureSize, type Size } from '../src/sizes.js';

const FILE = new URL('../sizes.json', import.meta.url);
const SIZES = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, Size>;
const UPDATE = process.env['SAMTRACK_SIZES'] === 'update';
/** How much larger than in the file a bundle may be, before the file has to say so. */
const GROWTH = 1.03;

describe('bundled for a page', () => {
  it.each(Object.entries(SIZES))('%s is as small as sizes.json says (npm run sizes)', async (name, size) => {
    const measured = await measureSize(consumer(`size-${name}`), size);
    expect(measured.gzip).toBeLessThanOrEqual(size.limit);
    // Names that are not there would make for small bundles.
    expect(measured.gzip).toBeGreaterThan(500);
    if (UPDATE) {
      SIZES[name] = { ...size, ...measured };
      writeFileSync(FILE, `${JSON.stringify(SIZES, null, 2)}\n`);
      return;
    }
    expect(measured.minified).toBeLessThanOrEqual(size.minified * GROWTH);
    expect(measured.gzip).toBeLessThanOrEqual(size.gzip * GROWTH);
  });
});
