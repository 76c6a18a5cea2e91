// Runs every test project; arguments go to vitest.
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

process.env.XDG_RUNTIME_DIR ??= mkdtempSync(join(tmpdir(), 'samtrack-runtime-'));
const vitest = join('node_modules', '.bin', 'vitest');
const { status } = spawnSync(vitest, ['run', ...process.argv.slice(2)], { stdio: 'inherit' });
process.exit(status ?? 1);
