// Bundles a package with all that it imports, for pages without a bundler: modules that share one copy of everything.
// `node standalone.mjs NAME=SPECIFIER...`; run in the package, once it is bundled.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const OUT = join('dist', 'standalone');
rmSync(OUT, { recursive: true, force: true });

const { metafile } = await build({
  // Modules of one line each, so that what is imported by name is what every user of a bundler imports.
  entryPoints: process.argv.slice(2).map((argument) => {
    const [out, specifier] = argument.split('=');
    return { in: `standalone:${specifier}`, out };
  }),
  plugins: [
    {
      name: 'standalone',
      setup({ onResolve, onLoad }) {
        onResolve({ filter: /^standalone:/ }, ({ path }) => ({ path: path.slice(11), namespace: 'standalone' }));
        onLoad({ filter: /./, namespace: 'standalone' }, ({ path }) => ({
          contents: `export * from '${path}';`,
          resolveDir: process.cwd(),
        }));
      },
    },
  ],
  outdir: OUT,
  bundle: true,
  splitting: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  chunkNames: 'chunks/[name]-[hash]',
  legalComments: 'none',
  metafile: true,
  // Chunks that only have names are imported for their effects, which they do not have.
  logOverride: { 'ignored-bare-import': 'silent' },
  logLevel: 'warning',
});

// The licences of what is inside.
const inside = Object.values(metafile.outputs).flatMap(({ inputs }) =>
  Object.keys(inputs).filter((path) => inputs[path].bytesInOutput > 0 && !path.startsWith('(')),
);
const folders = new Set(inside.flatMap((path) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []));
const texts = [...folders].sort().map((folder) => {
  const { name, version, license, repository } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? readFileSync(join(folder, file), 'utf8').trim() : `Licence: ${license}`;
  return `${name} ${version} (${license})\n${repository?.url ?? repository ?? ''}\n\n${text}\n`;
});
writeFileSync(join(OUT, 'LICENSES.txt'), texts.join(`\n${'-'.repeat(80)}\n\n`));
