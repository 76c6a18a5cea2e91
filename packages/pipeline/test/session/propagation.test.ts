import { afterAll, beforeAll, expect, it } from 'vitest';
import { MemoryStorage } from '../../src/io/index.js';
import { SamTrack, Session, SharedTracker } from '../../src/session/index.js';
import { errorOf } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS } from '../tracking/scene.js';
import { rectangles, SIZE, WaveSource } from './scene.js';

const COUNT = 6;
let st: SamTrack;
beforeAll(async () => {
  st = await SamTrack.load({ tracker: 'propagation', weights: DEAOT_T_WEIGHTS });
});
afterAll(() => st.dispose());

async function run(session: Session, direction: 'forward' | 'backward' = 'forward'): Promise<number[]> {
  const seen: number[] = [];
  for await (const { frame, confidence } of session.propagate({ direction })) {
    for (const { certainty } of confidence.values()) expect(certainty).toBeGreaterThanOrEqual(0);
    seen.push(frame);
  }
  return seen;
}

it('sessions track without a network that was trained to: both ways, with corrections, undone and redone', async () => {
  const session = await st.open(new WaveSource(COUNT));
  await session.prompt({ frame: 2, mask: rectangles(SIZE, [1, 2, 4, 14, 28], [2, 20, 4, 31, 28]) });
  expect(await run(session)).toEqual([2, 3, 4, 5]);
  expect(await run(session, 'backward')).toEqual([2, 1, 0]);
  const before = (await session.mask(5))!.data;
  expect(new Set(before)).toEqual(new Set([0, 1, 2]));
  await session.prompt({ frame: 4, object: 1, mask: rectangles(SIZE, [1, 4, 4, 18, 28]) });
  expect(session.affected().ranges).toEqual([[4, COUNT]]);
  await run(session);
  const after = (await session.mask(5))!.data;
  expect(after).not.toEqual(before);
  while ((await session.mask(5))!.data.some((id, i) => id !== before[i])) await session.undo();
  while (session.canRedo) await session.redo();
  expect((await session.mask(5))!.data).toEqual(after);
  await session.close();
});

it('their projects are none of a network that was', async () => {
  const storage = new MemoryStorage();
  const source = new WaveSource(COUNT);
  const first = await st.open(source, { project: storage });
  await first.close();
  const other = Session.open({
    source,
    shared: new SharedTracker(st.tracker),
    identity: { model: 'deaot-t' },
    storage,
  });
  expect(await errorOf(() => other)).toMatchObject({ code: 'tracker-mismatch' });
});
