// Makes the package in the current directory ready to be packed: built, and with the licence beside it.
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { name } = JSON.parse(readFileSync('package.json', 'utf8'));
execFileSync(
  join(root, 'node_modules', '.bin', 'turbo'),
  ['run', 'build', `--filter=${name}`, '--output-logs=errors-only'],
  {
    cwd: root,
    // What packs reads the names of the tarballs from standard output.
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1' },
  },
);
for (const file of ['LICENSE', 'NOTICE']) copyFileSync(join(root, file), file);
