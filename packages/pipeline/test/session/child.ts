import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

const folder = fileURLToPath(new URL('../../node_modules/.samtrack-test', import.meta.url));

/** Native modules stay where they are. */
const nativeModules: Plugin = {
  name: 'native-modules',
  setup({ onResolve }) {
    onResolve({ filter: /^(webgpu|sharp|node-av|@mediabunny\/server|onnxruntime|undici)/ }, ({ path, importer }) => {
      try {
        return { path: pathToFileURL(createRequire(importer).resolve(path)).href, external: true };
      } catch {
        return { path, external: true };
      }
    });
  },
};

/** Bundles a program of the tests for Node. @returns the file */
export async function bundle(entry: URL): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, `${entry.pathname.split('/').pop()!.replace(/\.ts$/, '')}-${process.pid}.mjs`);
  await build({
    entryPoints: [fileURLToPath(entry)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    mainFields: ['module', 'main'],
    conditions: ['samtrack-source'],
    loader: { '.wgsl': 'text' },
    plugins: [nativeModules],
    banner: { js: "import { createRequire as _r } from 'node:module'; const require = _r(import.meta.url);" },
    logLevel: 'silent',
  });
  return outfile;
}

/** A program that runs. */
export interface Child {
  /** Its lines on stdout so far. */
  readonly lines: string[];
  /** Ends it as a power failure would. */
  kill(): void;
  /** Its status, null if it was killed; what it wrote to stderr. */
  readonly ended: Promise<{ status: number | null; err: string }>;
}

/** Runs a bundled program. @param onLine Sees each line of stdout as it comes. */
export function run(
  file: string,
  args: readonly string[],
  onLine: (line: string, child: Child) => void = () => {},
): Child {
  const program = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [rest, err] = ['', ''];
  const child: Child = {
    lines: [],
    kill: () => program.kill('SIGKILL'),
    ended: new Promise((resolve) => program.on('close', (status) => resolve({ status, err }))),
  };
  program.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      child.lines.push(line);
      onLine(line, child);
    }
  });
  program.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  return child;
}
