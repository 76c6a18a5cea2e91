import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** What code a run is of. */
export interface Origin {
  /** Missing where there is no repository. */
  readonly commit?: string;
  /** Whether the working tree differed from the commit. */
  readonly modified?: boolean;
  /** Of everything that computes. */
  readonly versions: Readonly<Record<string, string | undefined>>;
}

/** What `bench/bin/pack.mjs` leaves beside the program that it packs, which has neither a repository nor packages. */
const PACKED = join(import.meta.dirname, 'origin.json');

/** The code that runs; of a packed one, what was packed. */
export function describeOrigin(): Origin {
  const origin = existsSync(PACKED)
    ? (JSON.parse(readFileSync(PACKED, 'utf8')) as Origin)
    : { ...commit(), versions: versions() };
  return { ...origin, versions: { node: process.versions.node, ...origin.versions } };
}

function commit(): Pick<Origin, 'commit' | 'modified'> {
  const git = (...args: string[]) =>
    execFileSync('git', args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    return { commit: git('rev-parse', 'HEAD'), modified: git('status', '--porcelain', '--untracked-files=no') !== '' };
  } catch {
    return {};
  }
}

/** Dawn and the tfjs backend belong to the kernel package. */
function versions(): Record<string, string | undefined> {
  const here = createRequire(import.meta.url);
  const kernels = createRequire(import.meta.resolve('@samtrack/kernels'));
  return {
    samtrack: versionOf('@samtrack/kernels', here),
    dawn: versionOf('webgpu', kernels),
    tfjsCore: versionOf('@tensorflow/tfjs-core', here),
    tfjsBackendWebGpu: versionOf('@tensorflow/tfjs-backend-webgpu', kernels),
    onnxruntime: versionOf('onnxruntime-node', here),
    onnxruntimeWeb: versionOf('onnxruntime-web', here),
  };
}

function versionOf(name: string, require: NodeJS.Require): string | undefined {
  let folder: string;
  try {
    folder = dirname(require.resolve(name));
  } catch {
    return undefined;
  }
  for (; folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (!existsSync(file)) continue;
    const manifest = JSON.parse(readFileSync(file, 'utf8'));
    if (manifest.name === name) return manifest.version;
  }
  return undefined;
}
