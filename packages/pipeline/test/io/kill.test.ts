import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundle, run } from '../session/child.js';
import { temporaryFolder } from './temporary.js';

/** Each costs about two seconds; SAMTRACK_KILLS=50 looks further. */
const KILLS = Number(process.env.SAMTRACK_KILLS ?? 3);
const folder = temporaryFolder();
const at = (...parts: string[]) => join(folder, ...parts);
let program: string;
beforeAll(async () => {
  program = await bundle(new URL('./kill-program.ts', import.meta.url));
  mkdirSync(at('frames'));
  for (let i = 0; i < 20; i++) {
    const data = Uint8Array.from({ length: 64 * 48 * 3 }, (_, at) => (at * 7 + i * 31) & 255);
    writeFileSync(
      at('frames', `${String(i).padStart(5, '0')}.png`),
      encode({ width: 64, height: 48, channels: 3, depth: 8, data }),
    );
  }
});
afterAll(() => rmSync(program, { force: true }));

const tree = (root: string) =>
  Object.fromEntries(
    (readdirSync(root, { recursive: true }) as string[])
      .filter((name) => statSync(join(root, name)).isFile())
      .sort()
      .map((name) => [name, readFileSync(join(root, name), 'latin1')]),
  );

test.each(['run', 'export'])(
  'a %s that is killed at any moment ends in the same bytes when it is repeated',
  { timeout: 120_000 + 30_000 * KILLS },
  async (kind) => {
    const results = at('results');
    const argsOf = (out: string) =>
      kind === 'run' ? ['run', at('frames'), out] : ['export', at('frames'), results, out];
    /** Runs it, and kills it so many milliseconds after it has begun. @returns how long it took from its beginning */
    const attempt = async (out: string, killAfter?: number) => {
      let begun = 0;
      const child = run(program, argsOf(out), () => {
        begun = performance.now();
        if (killAfter !== undefined) setTimeout(() => child.kill(), killAfter);
      });
      const { status, err } = await child.ended;
      return { status, err, took: performance.now() - begun };
    };
    const whole = kind === 'run' ? results : at('exported');
    const { status, took } = await attempt(whole);
    expect(status).toBe(0);
    const expected = tree(whole);
    let killed = 0;
    // On a machine that others use, too, the first run may have been slower than those after it.
    let span = took;
    for (let i = 0; i < KILLS || (killed === 0 && i < 4 * KILLS); i++) {
      const out = at(`${kind}-${i}`);
      const tried = await attempt(out, (span * ((i % KILLS) + Math.random())) / KILLS);
      if (tried.status === null) killed++;
      else span = tried.took;
      expect(await attempt(out)).toMatchObject({ status: 0 });
      expect(tree(out)).toEqual(expected);
    }
    expect(killed).toBeGreaterThan(0);
  },
);
