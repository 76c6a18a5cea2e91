#!/usr/bin/env node
// Packs Node, Dawn, ONNX Runtime and the benchmarks into a folder that runs on a bare Linux machine of this processor with
// nothing but a Vulkan driver, such as one with an NVIDIA GPU:
//
//     node bench/bin/pack.mjs FOLDER [--compress]
//     FOLDER/run.sh --check && FOLDER/run.sh --model deaot-t --json deaot-t.json
//
// With --compress the binaries are stripped and compressed with xz, and unpacked when they first run.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const bench = dirname(dirname(fileURLToPath(import.meta.url)));
const { positionals, values } = parseArgs({ allowPositionals: true, options: { compress: { type: 'boolean' } } });
if (positionals.length !== 1) fail('usage: node bench/bin/pack.mjs FOLDER [--compress]', 2);
if (process.platform !== 'linux') fail(`The folder is for Linux and is packed on Linux, not on ${process.platform}.`);
const origin = join(bench, 'dist', 'origin.node.js');
if (!existsSync(origin)) fail('The benchmarks are not built yet. Run `npm run setup` once, then try again.');

const folder = resolve(process.env.INIT_CWD ?? '.', positionals[0]);
if (existsSync(folder)) {
  const ours = existsSync(join(folder, 'app', 'origin.json'));
  if (!ours && readdirSync(folder).length > 0) fail(`${folder} holds something else; nothing was written.`);
  rmSync(folder, { recursive: true });
}
const app = join(folder, 'app');
const { describeOrigin } = await import(origin);
mkdirSync(join(folder, 'lib'), { recursive: true });

const packages = copyPackages();
await build({
  entryPoints: [join(bench, 'src', 'main.ts')],
  outfile: join(app, 'bench.mjs'),
  bundle: true,
  minify: true,
  keepNames: true,
  format: 'esm',
  platform: 'node',
  target: 'es2022',
  conditions: ['samtrack-source', 'node'],
  loader: { '.wgsl': 'text' },
  external: [...packages, '@samtrack/chromium'],
  // CommonJS packages within the bundle ask for Node's own modules.
  banner: {
    js: "import { createRequire as packedRequire } from 'node:module'; const require = packedRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
const { node: _, ...versions } = describeOrigin().versions;
writeFileSync(join(app, 'origin.json'), `${JSON.stringify({ ...describeOrigin(), versions }, null, 1)}\n`);
cpSync(process.execPath, join(folder, 'node'));
copyLoader();
writeFileSync(join(folder, 'run.sh'), runScript(), { mode: 0o755 });
if (values.compress) compress();
const bytes = Number(execFileSync('du', ['-sb', folder], { encoding: 'utf8' }).split('\t')[0]);
console.log(`${folder}: ${(bytes / 2 ** 20).toFixed(0)} MiB`);

/** Copies the packages that are binaries, without those of other systems; ONNX Runtime only where it is installed. */
function copyPackages() {
  const here = createRequire(join(bench, 'package.json'));
  const kernels = createRequire(
    join(realpathSync(join(bench, 'node_modules', '@samtrack', 'kernels')), 'package.json'),
  );
  const names = [];
  const copy = (name, require) => {
    let source;
    try {
      source = packageFolder(require.resolve(name));
    } catch {
      return undefined;
    }
    const filter = (path) => !path.slice(source.length).split('/').some(isForeign);
    cpSync(source, join(app, 'node_modules', name), { recursive: true, dereference: true, filter });
    names.push(name);
    return createRequire(join(source, 'package.json'));
  };
  if (!copy('webgpu', kernels)) fail('The package "webgpu" is not installed.');
  const ort = copy('onnxruntime-node', here);
  if (ort) copy('onnxruntime-common', ort);
  return names;
}

/** Whether a folder of a package is for another system or processor, such as `win32-x64`. */
function isForeign(name) {
  if (/^(darwin|win32)/.test(name)) return true;
  const processor = /^(?:linux-)?(x64|arm64)$/.exec(name)?.[1];
  return processor !== undefined && processor !== process.arch;
}

function packageFolder(file) {
  let candidate = dirname(file);
  while (!existsSync(join(candidate, 'package.json')) || candidate.includes('/dist')) candidate = dirname(candidate);
  return realpathSync(candidate);
}

/** The Vulkan loader and what NVIDIA's driver may want beside it, for machines that have a driver but no loader. */
function copyLoader() {
  const known = execFileSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' });
  for (const library of [
    'libvulkan.so.1',
    'libGLdispatch.so.0',
    'libGLX.so.0',
    'libEGL.so.1',
    'libX11.so.6',
    'libxcb.so.1',
    'libXau.so.6',
    'libXdmcp.so.6',
    'libbsd.so.0',
    'libmd.so.0',
    'libXext.so.6',
  ]) {
    const file = known
      .split('\n')
      .find((line) => line.trim().startsWith(`${library} `))
      ?.split(' => ')[1];
    if (file) cpSync(realpathSync(file), join(folder, 'lib', library));
    else if (library === 'libvulkan.so.1') fail('There is no Vulkan loader (libvulkan.so.1) to pack here.');
  }
}

function runScript() {
  return `#!/bin/sh
# Runs the benchmarks with the arguments given; --help tells which there are.
here=$(cd "$(dirname "$0")" && pwd)
find "$here" -name '*.xz' | while read -r file; do xz -d "$file" || exit 1; done
chmod +x "$here/node"
# This machine's own loader, if it has one.
if ! /sbin/ldconfig -p 2>/dev/null | grep -q libvulkan.so.1; then
  export LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$here/lib"
fi
for icd in /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json; do
  if [ -e "$icd" ] && [ ! -e /etc/vulkan/icd.d ] && [ ! -e /usr/share/vulkan/icd.d ]; then
    export VK_DRIVER_FILES="\${VK_DRIVER_FILES:-$icd}"
  fi
done
exec "$here/node" "$here/app/bench.mjs" "$@"
`;
}

function compress() {
  const files = execFileSync('find', [folder, '-type', 'f', '-size', '+1M'], { encoding: 'utf8' }).trim().split('\n');
  for (const file of files) {
    const binary = !file.endsWith('.mjs');
    if (binary) execFileSync('strip', [file], { stdio: 'inherit' });
    execFileSync('xz', ['-9', '-T0', file], { stdio: 'inherit' });
  }
}

function fail(message, status = 1) {
  console.error(message);
  process.exit(status);
}
