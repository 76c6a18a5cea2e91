import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DeAotName } from '@samtrack/models';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SamTrack } from '../../src/session/index.js';
import { temporaryFolder } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS, writeDeaotL } from '../tracking/scene.js';
import { bundle, run } from './child.js';
import { rectangles, SIZE, WaveSource } from './scene.js';

const COUNT = 24;
const folder = temporaryFolder();
let program: string;
beforeAll(async () => {
  program = await bundle(new URL('./child-program.ts', import.meta.url));
});
afterAll(() => rmSync(program, { force: true }));

/** All that is stored of a project's masks. */
const stored = (project: string) =>
  Object.fromEntries(
    readdirSync(`${project}.masks`).map((name) => [name, readFileSync(join(`${project}.masks`, name), 'utf8')]),
  );

describe.each<[DeAotName, string]>([
  ['deaot-t', DEAOT_T_WEIGHTS],
  ['deaot-l', writeDeaotL(folder)],
])('%s', (model, weights) => {
  const open = async (project: string) => {
    const st = await SamTrack.load({ model, weights, longTermGap: 2 });
    const session = await st.open(new WaveSource(COUNT), { project });
    const masks: string[] = [];
    for (let i = 0; i < COUNT; i++)
      masks.push(
        createHash('sha1')
          .update((await session.mask(i))!.data)
          .digest('hex'),
      );
    await st.dispose();
    return masks;
  };
  const whole = join(folder, `${model}-whole.samtrack`);
  let expected: string[];
  beforeAll(async () => {
    const { ended, lines } = run(program, [whole, model, weights, String(COUNT)]);
    expect(await ended).toEqual({ status: 0, err: expect.any(String) });
    expect(lines.at(-1)).toBe('done');
    expected = await open(whole);
    // Otherwise a wrong memory could not be told from a right one.
    expect(new Set(expected).size).toBeGreaterThan(COUNT / 2);
  });

  it.each([3, 14])('gives the same masks after it was killed %i frames in, and loaded', async (frames) => {
    const project = join(folder, `${model}-killed-${frames}.samtrack`);
    let tracked = 0;
    const killed = run(program, [project, model, weights, String(COUNT)], (line, child) => {
      if (line.startsWith('frame') && ++tracked === frames) child.kill();
    });
    expect((await killed.ended).status).toBeNull();
    // The lock of a dead process is no obstacle.
    expect(readdirSync(folder).some((name) => name.endsWith('.lock'))).toBe(true);
    if (tracked < 10) {
      // The program goes on with what it finds: the first propagation was not over, and has to be.
      const st = await SamTrack.load({ model, weights, longTermGap: 2 });
      const session = await st.open(new WaveSource(COUNT), { project });
      for await (const { frame } of session.propagate()) if (frame === 9) break;
      await session.prompt({ frame: 6, object: 1, mask: rectangles(SIZE, [1, 4, 4, 16, 28]) });
      await st.dispose();
    }
    const { ended, lines } = run(program, [project, model, weights, String(COUNT)]);
    expect((await ended).status).toBe(0);
    expect(lines[0]).toBe('opened 2');
    expect(lines.filter((line) => line.startsWith('frame')).length).toBeLessThan(COUNT);
    expect(await open(project)).toEqual(expected);
    expect(stored(project)).toEqual(stored(whole));
  });

  it('computes the same masks from the project file alone', async () => {
    const before = stored(whole);
    rmSync(`${whole}.masks`, { recursive: true });
    expect(await open(whole)).toEqual(expected);
    expect(stored(whole)).toEqual(before);
    expect(existsSync(join(folder, `.${model}-whole.samtrack.lock`))).toBe(false);
  });
});
