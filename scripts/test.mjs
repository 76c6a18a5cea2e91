// Runs every test project. Arguments go to vitest.
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The farm's tests start a Redis of their own. Debian's `redis-tools` has the program, and unlike `redis-server` starts nothing. */
function ensureRedis() {
  const there = ['redis-server', 'valkey-server', 'redis-check-rdb'].some(
    (name) => spawnSync('which', [name]).status === 0,
  );
  if (there || process.getuid?.() !== 0 || spawnSync('which', ['apt-get']).status !== 0) return;
  process.stderr.write('tests: installing redis-tools\n');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = () =>
    spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'redis-tools'], { env }).status;
  if (install() !== 0 && spawnSync('apt-get', ['update'], { env }).status === 0) install();
}

ensureRedis();
process.env.XDG_RUNTIME_DIR ??= mkdtempSync(join(tmpdir(), 'samtrack-runtime-'));
const vitest = join('node_modules', '.bin', 'vitest');
const { status } = spawnSync(vitest, ['run', ...process.argv.slice(2)], { stdio: 'inherit' });
process.exit(status ?? 1);
