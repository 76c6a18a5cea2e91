import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vite';

const wgslAsText: Plugin = {
  name: 'wgsl-as-text',
  enforce: 'pre',
  load(id) {
    if (!id.endsWith('.wgsl')) return null;
    return `export default ${JSON.stringify(readFileSync(id, 'utf8'))};`;
  },
};

/** One project a package; GPU tests run in forked processes, since a Dawn instance belongs to one process. */
const project = (name: string, root: string, env: Record<string, string> = {}) => ({
  plugins: [wgslAsText],
  resolve: { conditions: ['samtrack-source', 'node'] },
  ssr: { resolve: { conditions: ['samtrack-source', 'node'] } },
  test: {
    name,
    root,
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks' as const,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    env,
  },
});

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      project('kernels', 'packages/kernels'),
      project('models', 'packages/models'),
      project('pipeline', 'packages/pipeline'),
      project('weights', 'weights'),
    ],
  },
});
