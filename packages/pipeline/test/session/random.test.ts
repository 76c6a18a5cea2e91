import { createHash } from 'node:crypto';
import { xorshift32 } from '@samtrack/kernels/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MemoryStorage } from '../../src/io/index.js';
import { type PropagateOptions, SamTrack, type Session, SessionError } from '../../src/session/index.js';
import { temporaryFolder } from '../io/temporary.js';
import { writeDeaotL } from '../tracking/scene.js';
import { rectangles, SIZE, WaveSource } from './scene.js';

const COUNT = 8;
let st: SamTrack;
beforeAll(async () => {
  // Three layers: what they remember depends on everything before it.
  st = await SamTrack.load({ model: 'deaot-l', weights: writeDeaotL(temporaryFolder()), longTermGap: 2 });
});
afterAll(() => st.dispose());

/** Whole numbers below `n`. */
function randomNumbers(seed: number): (n: number) => number {
  const next = xorshift32((seed * 2654435761) >>> 0 || 1);
  return (n) => next() % n;
}

/** Does something that a user may do; what the session refuses changes nothing. */
async function edit(session: Session, below: (n: number) => number): Promise<void> {
  const frame = below(COUNT);
  const object = session.objects[below(session.objects.length || 1)]?.id ?? 1;
  const [x, y] = [below(20), below(20)];
  const mask = rectangles(SIZE, [1, x, y, x + 4 + below(9), y + 4 + below(9)]);
  const edits: (() => Promise<unknown>)[] = [
    () => session.prompt({ frame, object: `object ${below(1000)}`, mask }),
    () => session.prompt({ frame, object, mask }),
    () => session.remove(object),
    () => session.merge([object], session.objects[0]!.id),
    () =>
      session.split(object, frame, {
        polygon: [
          [0, 0],
          [33, 0],
          [33, 12 + y],
          [0, 12],
        ],
      }),
    () => session.lock(object),
    () => session.unlock(object),
    () => session.clear(frame),
    () => session.reference(frame),
    () => session.undo(),
    () => session.redo(),
  ];
  await edits[below(edits.length)]!();
}

/** Tracks something, perhaps not to its end, perhaps with an edit on the way. */
async function track(session: Session, below: (n: number) => number): Promise<void> {
  const kinds: PropagateOptions[] = [
    {},
    { direction: 'backward' },
    { from: below(COUNT), to: COUNT },
    { direction: 'backward', from: below(COUNT), objects: [session.objects[0]?.id ?? 1] },
  ];
  const [stop, change] = [below(2 * COUNT), below(2 * COUNT)];
  let done = 0;
  for await (const _ of session.propagate(kinds[below(kinds.length)])) {
    if (done === change) await refusedOrDone(() => edit(session, below));
    if (done++ === stop) break;
  }
}

async function refusedOrDone(action: () => Promise<void>): Promise<void> {
  await action().catch((error) => {
    if (!(error instanceof SessionError)) throw error;
  });
}

async function snapshot(session: Session): Promise<string[]> {
  const masks: string[] = [];
  for (let i = 0; i < COUNT; i++) {
    const mask = await session.mask(i);
    masks.push(mask ? createHash('sha1').update(mask.data).digest('hex') : 'none');
  }
  return masks;
}

it.each([1, 2, 3, 4, 5, 6])('whatever is done, the log alone gives the same masks (%i)', async (seed) => {
  const below = randomNumbers(seed);
  const storage = new MemoryStorage();
  const session = await st.open(new WaveSource(COUNT), { project: storage });
  await session.prompt({ frame: below(COUNT), mask: rectangles(SIZE, [1, 2, 4, 12, 28], [2, 20, 4, 31, 28]) });
  for (let i = 0; i < 8; i++) await refusedOrDone(() => (below(2) ? edit(session, below) : track(session, below)));
  const masks = await snapshot(session);
  await session.close();
  for (const name of await storage.list()) await storage.remove(name);
  const again = await st.open(new WaveSource(COUNT), { project: storage });
  expect(await snapshot(again)).toEqual(masks);
  await again.close();
});
