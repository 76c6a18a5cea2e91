import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryStorage } from '../../src/io/index.js';
import { SamTrack, type Session } from '../../src/session/index.js';
import { DEAOT_T_WEIGHTS } from '../tracking/scene.js';
import { rectangles, SIZE, WaveSource } from './scene.js';

const COUNT = 12;
const twoObjects = rectangles(SIZE, [1, 2, 4, 12, 28], [2, 20, 4, 31, 28]);
let st: SamTrack;
beforeAll(async () => {
  st = await SamTrack.load({ weights: DEAOT_T_WEIGHTS });
});
afterAll(() => st.dispose());

async function run(session: Session, options = {}): Promise<number[]> {
  const frames: number[] = [];
  for await (const { frame } of session.propagate(options)) frames.push(frame);
  return frames;
}

/** All masks as they are, as text. */
async function snapshot(session: Session): Promise<string[]> {
  const masks: string[] = [];
  for (let i = 0; i < session.source.frameCount!; i++) masks.push(String((await session.mask(i))?.data));
  return masks;
}

describe('a session', () => {
  it('tracks', async () => {
    const storage = new MemoryStorage();
    const session = await st.open(new WaveSource(COUNT), { project: storage });
    await session.prompt({ frame: 0, mask: twoObjects });
    expect(await run(session)).toEqual(Array.from({ length: COUNT }, (_, i) => i));
    const before = await snapshot(session);
    expect(new Set(before).size).toBeGreaterThan(6);
    console.log(
      session.timeline().map(({ frame, drift }) => [frame, drift.toFixed(3)].join(' ')),
      session.suggest(),
      session.memory,
    );
    await session.prompt({ frame: 5, object: 1, mask: rectangles(SIZE, [1, 4, 4, 16, 28]) });
    console.log(session.affected());
    expect(await run(session)).toEqual([5, 6, 7, 8, 9, 10, 11]);
    const after = await snapshot(session);
    expect(after.slice(0, 5)).toEqual(before.slice(0, 5));
    await session.undo();
    await session.undo();
    expect(await snapshot(session)).toEqual(before);
    await session.redo();
    await session.redo();
    expect(await snapshot(session)).toEqual(after);
    await session.close();
    for (const name of await storage.list()) await storage.remove(name);
    const again = await st.open(new WaveSource(COUNT), { project: storage });
    expect(await snapshot(again)).toEqual(after);
    await again.undo();
    await again.undo();
    expect(await snapshot(again)).toEqual(before);
  });
});
