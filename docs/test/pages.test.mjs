import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawHouse } from '../src/architecture.mjs';
import { GUIDE, writePages } from '../src/pages.mjs';
import { REPOSITORY, ROOT } from '../src/repository.mjs';

let folder;
let written;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'samtrack-pages-'));
  written = await writePages(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const page = (path) => readFileSync(join(folder, path), 'utf8');

describe('the pages of the site', () => {
  it('are the guide, then what is looked up', () => {
    const names = written.map((path) => path.slice(folder.length + 1));
    expect(names.slice(0, GUIDE.length)).toEqual(GUIDE.map((name) => `guide/${name}.md`));
    expect(names.slice(GUIDE.length)).toEqual(['commands.md', 'architecture.md', 'benchmarks.md', 'features.md']);
    for (const name of readdirSync(join(ROOT, 'docs', 'guide'))) expect(names).toContain(`guide/${name}`);
  });

  it('lead to each other, and to what else the repository holds', () => {
    for (const file of readdirSync(folder, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith('.md'))) {
      for (const [, target] of page(file).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
        expect(existsSync(join(folder, file, '..', target)), `${file}: ${target}`).toBe(true);
      }
      for (const [, path] of page(file).matchAll(new RegExp(`\\]\\(${REPOSITORY}/blob/main/([^)#\\s]+)`, 'g'))) {
        expect(existsSync(join(ROOT, path)), `${file}: ${path}`).toBe(true);
      }
    }
  });

  it('have a page for each command, with its own help', () => {
    for (const name of ['track', 'segment', 'detect', 'eval', 'export', 'reproduce', 'weights', 'worker', 'submit']) {
      expect(page('commands.md')).toContain(`commands/${name}.md`);
      expect(page(`commands/${name}.md`)).toContain(`Usage: samtrack ${name}`);
    }
    expect(page('commands/track.md')).toContain('--memory-mb N');
  });

  it('show every result of the benchmarks', () => {
    const results = join(ROOT, 'bench', 'results');
    for (const adapter of readdirSync(results, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
      const text = page(`benchmarks/${adapter.name}.md`);
      for (const file of readdirSync(join(results, adapter.name)).filter((name) => name.endsWith('.json'))) {
        expect(text).toContain(`\`bench/results/${adapter.name}/${file}\``);
      }
    }
    const { models } = JSON.parse(readFileSync(join(results, 'llvmpipe', 'deaot-t-480x854.json'), 'utf8'));
    const { median } = models[0].runners.samtrack.wall;
    expect(page('benchmarks/llvmpipe.md')).toContain(`| \`deaot-t@480x854\` | ${Number(median.toPrecision(3))} ms |`);
  });

  it('draw the map', async () => {
    const svg = await drawHouse();
    expect(page('architecture.md')).toContain(svg);
    expect(svg).toMatch(/^<svg[^\n]*<\/svg>$/);
    for (const room of ['pipeline', 'models/deaot', 'kernels/ops']) expect(svg).toContain(`>${room}</text>`);
  });
});
