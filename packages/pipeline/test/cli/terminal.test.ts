/** What a person sees in a terminal, made with util-linux's `script`. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../../bin/samtrack.mjs', import.meta.url));
const built = existsSync(fileURLToPath(new URL('../../dist/cli.node.js', import.meta.url)));
const script = spawnSync('script', ['--version'], { encoding: 'utf8' });
const terminal = process.platform === 'linux' && built && /util-linux/.test(script.stdout ?? '');

const inTerminal = (...args: string[]) =>
  spawnSync('script', ['-qec', [process.execPath, BIN, ...args].join(' '), '/dev/null'], { encoding: 'utf8' });

describe.skipIf(!terminal)('in a terminal', () => {
  it('nothing is seen of what Dawn has to say at every start', () => {
    const { stdout, status } = inTerminal('devices');
    expect({ status, first: stdout.split(/\r?\n/)[0] }).toEqual({ status: 0, first: 'engines' });
    expect(stdout).not.toMatch(/^Warning:/m);
  });

  it('our own messages are', () => {
    const { stdout, status } = inTerminal('track', 'not-there', '--out', 'not-there-either');
    expect(stdout).toMatch(/not-there: no such file or folder/);
    expect(status).not.toBe(0);
  });
});
