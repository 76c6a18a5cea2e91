// Bundles the package in the current directory with esbuild, for Node and for browsers.
// Entry points stand in the package's own package.json under "samtrackBuild": { outputName: sourceFile }.
import { readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { build } from 'esbuild';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const entries = Object.entries(manifest.samtrackBuild ?? {});
rmSync('dist', { recursive: true, force: true });

const shared = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  packages: 'external',
  sourcemap: true,
  loader: { '.wgsl': 'text' },
  logLevel: 'warning',
};
// `packages: external` also leaves `#platform` imports alone, so they are resolved here, once for each platform.
const platformImports = (condition) => ({
  name: 'platform-imports',
  setup({ onResolve }) {
    onResolve({ filter: /^#/ }, ({ path }) => {
      const targets = manifest.imports[path];
      return { path: resolve(targets[condition] ?? targets.default) };
    });
  },
});

for (const { platform, condition, suffix } of [
  { platform: 'node', condition: 'node', suffix: '.node' },
  { platform: 'browser', condition: 'default', suffix: '' },
]) {
  const platformEntries = entries.filter(([name]) => platform === 'node' || !manifest.samtrackNodeOnly?.includes(name));
  await build({
    ...shared,
    platform,
    plugins: [platformImports(condition)],
    splitting: true,
    chunkNames: `chunks/[name]-[hash]${suffix}`,
    outdir: 'dist',
    entryPoints: platformEntries.map(([name, source]) => ({ in: source, out: `${name}${suffix}` })),
  });
}
