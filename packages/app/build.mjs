// Builds the page into a folder of static files that any web server can serve.

import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { shaders } from '../../scripts/shaders.mjs';
import { headersFile, nginxFile } from './headers.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const source = (path) => join(here, 'src', path);

/** Files that go along as they are: from the repository, to the folder. */
const COPIED = {
  'packages/app/static': '.',
  'demo/clip.mp4': 'demo/clip.mp4',
  'demo/masks/00000.png': 'demo/first-mask.png',
};

/** ONNX Runtime's WebAssembly, for browsers without a GPU. Fetched when it is needed, by nobody else. */
const RUNTIME = ['ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm'];
const runtime = dirname(createRequire(join(root, 'packages', 'onnx', 'package.json')).resolve('onnxruntime-web/wasm'));

/** Weights that come with the page: all that come with SAMTrack. */
const weights = () => readdirSync(join(root, 'weights', 'embedded')).filter((file) => file.endsWith('.safetensors'));

/**
 * Kernels of tfjs that only training has, and those of sparse tensors and texts: it registers all that it has, so that bundlers keep them. What
 * transposed convolutions are made of is named as a gradient, too.
 */
const UNUSED =
  /\b(?!conv2DBackpropInput)\w+(?:Grad|BackpropFilter|BackpropInput)(?:V2)?Config\b|\b(?:sparse|string)\w+Config\b/;

const inferenceOnly = {
  name: 'inference-only',
  setup: ({ onLoad }) =>
    onLoad({ filter: /tfjs-backend-webgpu[\\/]dist[\\/]register_all_kernels\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('//') || !UNUSED.test(line))
        .join('\n'),
    })),
};

/** Files of a folder, relative to it. */
const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();

/** By what sessions know the tracker that comes with the page: as `contentDigest` of the pipeline says it. */
async function embeddedDigest() {
  const entry = join(root, 'packages', 'pipeline', 'src', 'io', 'content-digest.ts');
  const { outputFiles } = await build({ entryPoints: [entry], format: 'esm', write: false });
  const { bytesDigest } = await import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString('base64')}`
  );
  return bytesDigest(readFileSync(join(root, 'weights', 'embedded', 'deaot-t.safetensors')));
}

/**
 * @param {string} outdir is emptied first
 * @returns the scripts' sizes by esbuild's account
 */
export async function buildApp(outdir) {
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  const shared = {
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    metafile: true,
    outdir,
    // ONNX Runtime's glue is a file beside its WebAssembly, not a second copy in the script.
    conditions: ['samtrack-source', 'browser', 'onnxruntime-web-use-extern-wasm'],
    plugins: [shaders, inferenceOnly],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'linked',
    logLevel: 'warning',
  };
  const metafiles = [];
  const run = async (options) => metafiles.push((await build({ ...shared, ...options })).metafile);
  await run({
    entryPoints: { app: source('page/main.tsx'), style: source('styles/index.css') },
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
  });
  await run({
    entryPoints: { engine: source('worker/main.ts'), net: source('net/main.ts') },
    define: { EMBEDDED_DIGEST: JSON.stringify(await embeddedDigest()) },
  });
  await run({ entryPoints: { viewer: source('embed/viewer.ts') } });
  for (const [from, to] of Object.entries(COPIED)) cpSync(join(root, from), join(outdir, to), { recursive: true });
  for (const file of RUNTIME) cpSync(join(runtime, file), join(outdir, 'ort', file));
  for (const file of weights()) cpSync(join(root, 'weights', 'embedded', file), join(outdir, 'models', file));
  writeFileSync(join(outdir, '_headers'), headersFile());
  writeFileSync(join(outdir, 'nginx.conf'), nginxFile());
  // The service worker knows every file of this build by content, so that a new build replaces the old one as a whole.
  const offline = filesIn(outdir).filter((file) => !/^(_headers|nginx\.conf|viewer\.js|ort\/)|\.(txt|map)$/.test(file));
  const version = createHash('sha256');
  for (const file of offline) version.update(file).update(readFileSync(join(outdir, file)));
  await run({
    entryPoints: { 'service-worker': source('offline/service-worker.ts') },
    define: {
      FILES: JSON.stringify(offline.map((file) => file.replaceAll('\\', '/'))),
      VERSION: JSON.stringify(version.digest('hex').slice(0, 16)),
    },
  });
  return metafiles;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const outdir = join(here, 'dist');
  await buildApp(outdir);
  const bytes = filesIn(outdir).reduce((sum, file) => sum + statSync(join(outdir, file)).size, 0);
  console.log(`${relative(process.cwd(), outdir)}: ${(bytes / 1e6).toFixed(1)} MB of static files`);
}
