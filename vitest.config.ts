import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './scripts/longest-first.mjs';

const wgslAsText: Plugin = {
  name: 'wgsl-as-text',
  enforce: 'pre',
  load(id) {
    if (!id.endsWith('.wgsl')) return null;
    return `export default ${JSON.stringify(readFileSync(id, 'utf8'))};`;
  },
};

const sameCases: Plugin = {
  name: 'same-cases',
  enforce: 'pre',
  resolveId(id, importer) {
    const ours = fileURLToPath(new URL('scripts/fast-check.mjs', import.meta.url));
    return id === 'fast-check' && importer !== ours ? ours : null;
  },
};

/** Where other packages are taken as they are built, of the own one's `#` imports still the sources. */
const ownSources: Plugin = {
  name: 'own-sources',
  enforce: 'pre',
  resolveId(id, importer) {
    if (!importer || !id.startsWith('#')) return null;
    const folder = importer.slice(0, importer.lastIndexOf('/src/') + 1);
    const { imports } = JSON.parse(readFileSync(`${folder}package.json`, 'utf8'));
    return resolve(folder, imports[id]['samtrack-source'].node);
  },
};

/** One project a package; GPU tests run in forked processes, since a Dawn instance belongs to one process. */
const project = (
  name: string,
  root: string,
  {
    env = {},
    include = ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup = [],
    pollTimeout = 1000,
    groupOrder = 0,
    built = false,
  }: {
    env?: Record<string, string>;
    include?: string[];
    globalSetup?: string[];
    pollTimeout?: number;
    groupOrder?: number;
    /** With other packages as they are built, which Node loads by itself: to transform all of their sources takes each file seconds. */
    built?: boolean;
  } = {},
  conditions = built ? ['node'] : ['samtrack-source', 'node'],
) => ({
  plugins: [wgslAsText, sameCases, ...(built ? [ownSources] : [])],
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    name,
    root,
    include,
    globalSetup,
    setupFiles: ['compare-typed-arrays', 'poll-gpu-slowly'].map((name) =>
      fileURLToPath(new URL(`scripts/${name}.mjs`, import.meta.url)),
    ),
    expect: { poll: { timeout: pollTimeout } },
    sequence: { groupOrder },
    pool: 'forks' as const,
    ...(built && { server: { deps: { external: [/\/packages\/[a-z]+\/dist\//] } } }),
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Graphs of tests would push a user's out of the cache.
    env: { SAMTRACK_GRAPH_CACHE: 'off', ...env },
  },
});

/** What a page shows comes when it comes on a busy machine. */
const page = {
  globalSetup: [fileURLToPath(new URL('packages/app/test/build.ts', import.meta.url))],
  pollTimeout: 60_000,
};

export default defineConfig({
  test: {
    // On two cores one more than that: a third of the files wait for pages and processes most of their time.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      project('kernels', 'packages/kernels', { include: ['src/**/*.test.ts', 'test/browser/**/*.test.ts'] }),
      // Subgroup sizes 4 and 16, which Mesa's software rasteriser takes from its vector width.
      project('kernels-sg4', 'packages/kernels', {
        env: { LP_NATIVE_VECTOR_WIDTH: '128' },
        include: ['test/subgroup-sizes.test.ts'],
      }),
      project('kernels-sg16', 'packages/kernels', {
        env: { LP_NATIVE_VECTOR_WIDTH: '512' },
        include: ['test/subgroup-sizes.test.ts'],
      }),
      project('chromium', 'packages/chromium'),
      project('models', 'packages/models'),
      project('onnx', 'packages/onnx'),
      project('pipeline', 'packages/pipeline'),
      project('app', 'packages/app', { ...page, include: ['test/!(budgets).test.ts'] }),
      // After the others: budgets of time are judged without their load.
      project('app-budgets', 'packages/app', { ...page, include: ['test/budgets.test.ts'], groupOrder: 1 }),
      project('farm', 'packages/farm', { built: true }),
      project('weights', 'weights'),
      project('house', 'scripts', { include: ['*.test.mjs'] }),
      project('examples', 'examples'),
      project('docs', 'docs', { include: ['test/**/*.test.mjs'] }),
      project('consumers', 'consumers', {
        globalSetup: [fileURLToPath(new URL('consumers/src/global-setup.ts', import.meta.url))],
      }),
      project('bench', 'bench', { env: { XDG_RUNTIME_DIR: '/tmp' } }),
    ],
  },
});
