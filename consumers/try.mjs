// consumers/src/pack.ts
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

var ROOT = fileURLToPath(new URL('..', import.meta.url));
var PUBLISHED = ['packages/kernels', 'packages/models', 'weights', 'packages/pipeline'].map((folder) =>
  join(ROOT, folder),
);
var readManifest = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
function link(target, path) {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(realpathSync(target), path, 'junction');
}
function packAll(folder) {
  const packed = /* @__PURE__ */ new Map();
  const pnpm = join(ROOT, 'node_modules', '.bin', 'pnpm');
  for (const source of PUBLISHED) {
    const output = execFileSync(pnpm, ['pack', '--json', '--pack-destination', folder], {
      cwd: source,
      encoding: 'utf8',
    });
    const { filename } = JSON.parse(output.slice(output.indexOf('{')));
    const { name } = readManifest(source);
    const target = join(folder, 'installed', name.replace('/', '+'), 'node_modules', name);
    mkdirSync(target, { recursive: true });
    execFileSync('tar', ['xzf', filename, '-C', target, '--strip-components=1']);
    packed.set(name, { manifest: readManifest(target), source, tarball: filename, folder: target });
  }
  for (const { manifest, source, folder: target } of packed.values()) {
    const { dependencies, peerDependencies, optionalDependencies } = manifest;
    const modules = target.slice(0, -manifest.name.length);
    for (const name of Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies })) {
      const installed = packed.get(name)?.folder ?? join(source, 'node_modules', name);
      if (existsSync(installed) || !optionalDependencies?.[name]) link(installed, join(modules, name));
    }
  }
  return packed;
}

// ../../../tmp/try.mts
var p = packAll('/tmp/packed');
for (const [n, x] of p) console.log(n, x.tarball, x.folder);
