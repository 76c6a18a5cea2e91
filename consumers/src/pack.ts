import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Folders of the packages that are published, each after those that it depends on. */
const PUBLISHED = [
  'packages/kernels',
  'packages/models',
  'packages/onnx',
  'weights',
  'packages/pipeline',
  'packages/farm',
].map((folder) => join(ROOT, folder));

/** What of a manifest matters here. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
}

/** A package as its users get it. */
export interface PackedPackage {
  readonly manifest: Manifest;
  /** Of the repository. */
  readonly source: string;
  readonly tarball: string;
  /** The unpacked tarball. Beside it lies what it declares as dependencies, and nothing else. */
  readonly folder: string;
}

const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;

/** Makes `path` lead to `target`, and the folders above it. */
export function link(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(realpathSync(target), path, 'junction');
}

/**
 * Packs every published package and unpacks it, each with its declared dependencies beside it: a file or a dependency that is
 * missing is missing, whatever the repository or a registry has.
 * @param folder Where to; empty.
 * @param tarballs Where the tarballs go, for who publishes what was checked.
 */
export function packAll(folder: string, tarballs = folder): readonly PackedPackage[] {
  const packed = new Map<string, PackedPackage>();
  const pnpm = join(ROOT, 'node_modules', '.bin', 'pnpm');
  for (const source of PUBLISHED) {
    // One after the other: each is built first, where it is not yet.
    const output = execFileSync(pnpm, ['pack', '--json', '--pack-destination', tarballs], {
      cwd: source,
      encoding: 'utf8',
    });
    const { filename } = JSON.parse(output.slice(output.indexOf('{'))) as { filename: string };
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
  return [...packed.values()];
}
