// Bundles the package in the current directory with esbuild, for Node and for browsers.
// Entry points are the package's `exports` that have a source, `node` and `default` being the two bundles; further ones, for Node
// only, are arguments: `node bundle.mjs NAME=SOURCE...`.
import { readFileSync, rmSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { build } from 'esbuild';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const exported = Object.values(manifest.exports ?? {}).filter((target) => target['samtrack-source']);
const programs = process.argv.slice(2).map((argument) => argument.split('='));
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
    onResolve({ filter: /^#/ }, ({ path }) => ({
      path: resolve(manifest.imports[path]['samtrack-source'][condition]),
    }));
  },
});

for (const { platform, condition, suffix } of [
  { platform: 'node', condition: 'node', suffix: '.node' },
  { platform: 'browser', condition: 'default', suffix: '' },
]) {
  const entryPoints = exported
    .filter((target) => target[condition])
    .map((target) => ({ in: target['samtrack-source'], out: basename(target[condition], '.js') }));
  if (platform === 'node') entryPoints.push(...programs.map(([name, source]) => ({ in: source, out: `${name}.node` })));
  if (entryPoints.length === 0) continue;
  await build({
    ...shared,
    platform,
    plugins: [platformImports(condition)],
    splitting: true,
    chunkNames: `chunks/[name]-[hash]${suffix}`,
    outdir: 'dist',
    entryPoints,
  });
}
