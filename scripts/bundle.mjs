// Bundles the package in the current directory with esbuild, for Node and for browsers.
// Entry points are the package's `exports` that have a source, `node` and `default` being the two bundles; further ones, for Node
// only, are arguments `NAME=SOURCE`. An argument `SOURCE` alone is a module that is shared but stays apart, so that who needs only it is
// spared what its users import.
import { readFileSync, rmSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { build } from 'esbuild';
import { annotatePure } from './annotate-pure.mjs';
import { shaders } from './shaders.mjs';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const exported = Object.values(manifest.exports ?? {}).filter((target) => target['samtrack-source']);
const programs = process.argv.slice(2).flatMap((argument) => (argument.includes('=') ? [argument.split('=')] : []));
const apart = process.argv.slice(2).filter((argument) => !argument.includes('='));
rmSync('dist', { recursive: true, force: true });

const shared = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  packages: 'external',
  sourcemap: true,
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
// Packages without side effects say so for each constant too, since a bundler sees the constants of a whole bundle as one module.
const pureConstants = {
  name: 'pure-constants',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => ({
      contents: annotatePure(readFileSync(path, 'utf8'), path),
      loader: 'ts',
    }));
  },
};

for (const { platform, condition, suffix } of [
  { platform: 'node', condition: 'node', suffix: '.node' },
  { platform: 'browser', condition: 'default', suffix: '' },
]) {
  const entryPoints = exported
    .filter((target) => target[condition])
    .map((target) => ({ in: target['samtrack-source'], out: basename(target[condition], '.js') }));
  if (platform === 'node') entryPoints.push(...programs.map(([name, source]) => ({ in: source, out: `${name}.node` })));
  if (entryPoints.length === 0) continue;
  entryPoints.push(...apart.map((source) => ({ in: source, out: `chunks/${basename(source, '.ts')}${suffix}` })));
  await build({
    ...shared,
    platform,
    plugins: [platformImports(condition), shaders, ...(manifest.sideEffects === false ? [pureConstants] : [])],
    splitting: true,
    chunkNames: `chunks/[name]-[hash]${suffix}`,
    outdir: 'dist',
    entryPoints,
  });
}
