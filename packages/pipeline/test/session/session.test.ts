import { createHash } from 'node:crypto';
import { OutOfBudgetError } from '@samtrack/models';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LabelMap, labelIds, MemoryStorage } from '../../src/io/index.js';
import { type PropagateOptions, SamTrack, type Session } from '../../src/session/index.js';
import { errorOf, temporaryFolder } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS, writeDeaotL } from '../tracking/scene.js';
import { rectangles, SIZE, WaveSource } from './scene.js';

const COUNT = 12;
const twoObjects = rectangles(SIZE, [1, 2, 4, 12, 28], [2, 20, 4, 31, 28]);
const third = rectangles(SIZE, [1, 13, 10, 19, 20]);
const frames = (from: number, to: number) =>
  Array.from({ length: Math.abs(to - from) }, (_, i) => from + Math.sign(to - from) * i);

let st: SamTrack;
let source: WaveSource;
let session: Session;
beforeAll(async () => {
  st = await SamTrack.load({ weights: DEAOT_T_WEIGHTS });
});
afterAll(() => st.dispose());
beforeEach(async () => {
  source = new WaveSource(COUNT);
  session = await st.open(source);
});
afterEach(() => session.close());

async function run(of: Session, options?: PropagateOptions): Promise<number[]> {
  const seen: number[] = [];
  for await (const { frame } of of.propagate(options)) seen.push(frame);
  return seen;
}

const hash = (map: LabelMap | undefined) => map && createHash('sha1').update(map.data).digest('hex');

/** All masks as they are: a hash of each frame's. */
async function snapshot(of: Session): Promise<string[]> {
  const masks: string[] = [];
  for (let i = 0; i < COUNT; i++) masks.push(String(hash(await of.mask(i))));
  return masks;
}

/** Ids of some of the pixels of a map as another one has them. */
const only = ({ data }: LabelMap, id: number) => data.map((value) => (value === id ? id : 0));

describe('propagation', () => {
  it('runs forward from the prompt, and tells how sure it is', async () => {
    await session.prompt({ frame: 0, mask: twoObjects });
    expect(session.affected()).toEqual({ ranges: [[0, COUNT]] });
    let done = 0;
    for await (const result of session.propagate()) {
      expect(result).toMatchObject({ frame: done, time: done / 24, done: done + 1, total: COUNT });
      expect(result.ids).toEqual(labelIds(result.mask));
      expect(result.memory.usedBytes).toBeGreaterThan(result.memory.rememberedBytes);
      for (const id of result.ids) {
        const { certainty, area, areaJump, confidence } = result.confidence.get(id)!;
        expect(area).toBe(result.mask.data.filter((value) => value === id).length);
        for (const share of [certainty, areaJump, confidence]) expect(share).toBeGreaterThanOrEqual(0);
        expect(certainty).toBeLessThanOrEqual(1);
        expect(confidence).toBeCloseTo(certainty * (1 - areaJump), 12);
      }
      expect(result.drift === 0).toBe(done === 0);
      done++;
    }
    expect(done).toBe(COUNT);
    expect(session.affected()).toEqual({ ranges: [] });
    expect(await run(session)).toEqual([]);
    const timeline = session.timeline();
    expect(timeline.map(({ frame }) => frame)).toEqual(frames(0, COUNT));
    const suggestion = session.suggest()!;
    expect(suggestion.drift).toBe(timeline[suggestion.frame]!.drift);
    // Away from the reference frame, nothing is less sure.
    expect(suggestion.drift).toBe(Math.max(...timeline.slice(5).map(({ drift }) => drift)));
  });

  it('runs backward, and in ranges', async () => {
    await session.prompt({ frame: 6, mask: twoObjects });
    expect(await run(session, { direction: 'backward' })).toEqual(frames(6, -1));
    expect(await run(session)).toEqual(frames(6, COUNT));
    const before = await snapshot(session);
    expect(await run(session, { from: 8, to: 10 })).toEqual([8, 9]);
    expect(await snapshot(session)).toEqual(before);
    expect(await run(session, { direction: 'backward', from: 3, to: 1 })).toEqual([3, 2]);
    expect(await snapshot(session)).toEqual(before);
  });

  it('is the same in both directions of a mirrored video', async () => {
    await session.prompt({ frame: COUNT - 1, mask: twoObjects });
    await run(session, { direction: 'backward' });
    const mirrored = new WaveSource(COUNT);
    mirrored.frames = async function* ({ from = 0, to = COUNT } = {}) {
      for (let index = from; index < Math.min(to, COUNT); index++) {
        for await (const frame of source.frames({ from: COUNT - 1 - index, to: COUNT - index }))
          yield { ...frame, index };
      }
    };
    const forward = await st.open(mirrored);
    await forward.prompt({ frame: 0, mask: twoObjects });
    await run(forward);
    expect(await snapshot(forward)).toEqual((await snapshot(session)).reverse());
  });

  it('re-tracks what a correction affects, up to the next reference of the object', async () => {
    await session.prompt({ frame: 0, mask: twoObjects });
    await run(session);
    const before = await snapshot(session);
    await session.reference(9);
    expect(session.references).toEqual([0, 9]);
    expect(session.affected()).toEqual({ ranges: [[9, COUNT]] });
    await run(session);
    source.read = 0;
    await session.prompt({ frame: 4, object: 1, mask: rectangles(SIZE, [1, 4, 4, 16, 28]) });
    expect(session.affected()).toEqual({ ranges: [[4, 9]] });
    expect(session.affected('backward')).toEqual({ ranges: [] });
    expect(await run(session)).toEqual(frames(4, 9));
    // The frames themselves, and those that memory is made of.
    expect(source.read).toBeLessThanOrEqual(5 + 2);
    const after = await snapshot(session);
    expect(after.slice(0, 4)).toEqual(before.slice(0, 4));
    expect(after[9]).toEqual(before[9]);
    expect(after[5]).not.toEqual(before[5]);
    // Taken back, its own frame is tracked anew, too.
    await session.clear(4);
    expect(session.affected()).toEqual({ ranges: [[4, 9]] });
  });

  it('adds an object in the middle, in both directions, beside the others', async () => {
    await session.prompt({ frame: 0, mask: twoObjects });
    await run(session);
    const before: LabelMap[] = [];
    for (let i = 0; i < COUNT; i++) before.push((await session.mask(i))!);
    const { objects } = await session.prompt({ frame: 6, object: 'late', mask: third });
    expect(objects[0]!.id).toBe(3);
    expect(session.affected()).toEqual({ ranges: [[6, COUNT]], objects: [3] });
    await run(session);
    expect(session.affected('backward')).toEqual({ ranges: [[6, -1]], objects: [3] });
    await run(session, { direction: 'backward' });
    let found = 0;
    for (let i = 0; i < COUNT; i++) {
      const now = (await session.mask(i))!;
      for (let p = 0; p < now.data.length; p++) {
        if (now.data[p] === 3) found++;
        else expect(now.data[p]).toBe(before[i]!.data[p]);
      }
    }
    expect(found).toBeGreaterThan(0);
  });

  it('tracks an object of a later frame backward, also where all was prompted before', async () => {
    await session.prompt({ frame: 0, mask: twoObjects });
    await session.prompt({ frame: 6, object: 'late', mask: third });
    await run(session);
    expect(session.affected('backward')).toEqual({ ranges: [[6, -1]], objects: [3] });
    await run(session, { direction: 'backward' });
    expect(session.affected('backward')).toEqual({ ranges: [] });
    expect(session.affected()).toEqual({ ranges: [] });
  });

  it('carries objects through frames in which others are prompted', async () => {
    await session.prompt({ frame: 0, mask: twoObjects });
    await session.prompt({ frame: 1, object: 'late', mask: third });
    expect(session.affected()).toEqual({ ranges: [[0, COUNT]] });
    await run(session);
    for (const frame of [1, 2]) expect((await session.mask(frame))!.ids).toEqual([1, 2, 3]);
  });

  it('keeps locked objects as they are', async () => {
    await session.prompt({ frame: 0, mask: twoObjects });
    await run(session);
    const before: LabelMap[] = [];
    for (let i = 0; i < COUNT; i++) before.push((await session.mask(i))!);
    await session.lock(2);
    await session.prompt({ frame: 3, object: 1, mask: rectangles(SIZE, [1, 0, 0, 33, 33]) });
    await run(session);
    for (let i = 0; i < COUNT; i++) expect(only((await session.mask(i))!, 2)).toEqual(only(before[i]!, 2));
    expect(await snapshot(session)).not.toEqual(before.map(hash));
  });

  it('takes changes in on the way', async () => {
    await session.prompt({ frame: 0, mask: twoObjects });
    const seen: number[] = [];
    for await (const { frame, ids } of session.propagate()) {
      seen.push(frame);
      if (frame === 3) await session.prompt({ frame, object: 'late', mask: third });
      if (frame === 6) await session.remove(1);
      if (frame > 6) expect(ids).not.toContain(1);
    }
    expect(seen).toEqual(frames(0, COUNT));
    expect((await session.mask(3))!.ids).toContain(3);
    const before = await snapshot(session);
    // Once more from the log alone: the tracker has to come by the same memory.
    const storage = new MemoryStorage();
    const kept = await st.open(new WaveSource(COUNT), { project: storage });
    await kept.prompt({ frame: 0, mask: twoObjects });
    for await (const { frame } of kept.propagate()) {
      if (frame === 3) await kept.prompt({ frame, object: 'late', mask: third });
      if (frame === 6) await kept.remove(1);
    }
    await kept.close();
    for (const name of await storage.list()) await storage.remove(name);
    const again = await st.open(new WaveSource(COUNT), { project: storage });
    expect(await snapshot(again)).toEqual(before);
    await again.close();
  });

  it('takes in what a reviser finds, as an annotation', async () => {
    await session.prompt({ frame: 0, mask: twoObjects });
    const seen: number[] = [];
    const reviser = {
      lookAhead: 2,
      due: ({ index }: { index: number }) => index === 4,
      async revise(frame: { index: number }, labels: LabelMap, ahead: readonly { index: number }[]) {
        seen.push(frame.index, ...ahead.map(({ index }) => index));
        const revised = { ...labels, data: labels.data.slice() };
        for (let i = 0; i < revised.data.length; i++) if (third.data[i]) revised.data[i] = 9;
        return revised;
      },
    };
    for await (const { frame, ids } of session.propagate({ reviser })) expect(ids.includes(9) && frame < 4).toBe(false);
    expect(seen).toEqual([4, 5, 6]);
    expect([session.references, session.objects.map(({ id }) => id)]).toEqual([
      [0, 4],
      [1, 2, 9],
    ]);
    expect(only((await session.mask(4))!, 9)).toEqual(third.data.map((id) => (id ? 9 : 0)));
    expect(session.affected()).toEqual({ ranges: [] });
  });

  it('ends when it is undone, and goes on after it was left', async () => {
    await session.prompt({ frame: 0, mask: twoObjects });
    for await (const { frame } of session.propagate()) if (frame === 2) await session.undo();
    expect(await session.mask(1)).toBeUndefined();
    await session.redo();
    expect((await session.mask(2))!.ids.length).toBeGreaterThan(0);
    expect(await session.mask(3)).toBeUndefined();
    expect(await run(session)).toEqual(frames(3, COUNT));
    const controller = new AbortController();
    const stopped = errorOf(async () => {
      for await (const { frame } of session.propagate({ from: 1, signal: controller.signal })) {
        if (frame === 4) controller.abort(new Error('enough'));
      }
    });
    expect((await stopped).message).toBe('enough');
    expect(session.affected()).toEqual({ ranges: [] });
  });

  it('refuses what cannot be tracked', async () => {
    expect(await errorOf(() => run(session))).toMatchObject({ code: 'no-objects' });
    await session.prompt({ frame: 5, mask: twoObjects });
    expect(await errorOf(() => run(session, { from: 2 }))).toMatchObject({ code: 'no-reference' });
    expect(await errorOf(() => run(session, { from: 7, to: 7 }))).toMatchObject({ code: 'bad-option' });
    const sideways = { direction: 'Backward' as 'backward' };
    expect(await errorOf(() => run(session, sideways))).toMatchObject({
      code: 'bad-option',
      message: 'the direction is forward or backward, not "Backward"',
    });
    for (const options of [{ form: 3 }, { to: '2' }, { signal: {} }, { objects: 1 }, null]) {
      expect(await errorOf(() => run(session, options as object))).toMatchObject({ code: 'bad-option' });
    }
    expect(await errorOf(() => run(session, { from: 12 }))).toMatchObject({ code: 'out-of-range' });
    expect(await errorOf(() => run(session, { to: 13 }))).toMatchObject({ code: 'out-of-range' });
    expect(await errorOf(() => run(session, { objects: [9] }))).toMatchObject({ code: 'unknown-object' });
    expect(await errorOf(() => session.mask(12))).toMatchObject({ code: 'out-of-range' });
    expect(await errorOf(() => session.reference(7))).toMatchObject({ code: 'no-objects' });
    expect(await errorOf(() => session.clear(7))).toMatchObject({ code: 'bad-option' });
    for await (const _ of session.propagate()) {
      expect(await errorOf(() => run(session))).toMatchObject({ code: 'busy' });
      break;
    }
    await session.close();
    expect(await errorOf(() => session.undo())).toMatchObject({ code: 'closed' });
    expect(await errorOf(() => run(session))).toMatchObject({ code: 'closed' });
  });
});

describe('at the same time', () => {
  it('two sessions take turns with the tracker', async () => {
    const masks = [twoObjects, third];
    const expected: string[][] = [];
    const sessions: Session[] = [];
    for (const mask of masks) {
      const alone = await st.open(source);
      await alone.prompt({ frame: 0, mask });
      await run(alone);
      expected.push(await snapshot(alone));
      await alone.close();
      sessions.push(await st.open(source));
      await sessions.at(-1)!.prompt({ frame: 0, mask });
    }
    // In turn, frame by frame, then both at once.
    const both = sessions.map((of) => of.propagate());
    for (let i = 0; i < 3; i++) for (const one of both) expect((await one.next()).value.frame).toBe(i);
    await Promise.all(
      both.map(async (one) => {
        for await (const _ of one);
      }),
    );
    for (const [i, of] of sessions.entries()) {
      expect(await snapshot(of)).toEqual(expected[i]);
      await of.close();
    }
  });

  it('changes are made one after the other', async () => {
    const [a, b] = await Promise.all([
      session.prompt({ frame: 0, object: 'a', mask: rectangles(SIZE, [1, 2, 4, 12, 28]) }),
      session.prompt({ frame: 0, object: 'b', mask: rectangles(SIZE, [1, 20, 4, 31, 28]) }),
    ]);
    expect([a.objects[0]!.id, b.objects[0]!.id]).toEqual([1, 2]);
    const tracking = run(session);
    await session.rename('a', 'first');
    await session.prompt({ frame: 8, object: 'late', mask: third });
    expect(await tracking).toEqual(frames(0, COUNT));
    expect((await session.mask(8))!.ids).toContain(3);
  });
});

describe('undo and redo', () => {
  it('go all the way back and forth, with the same masks', async () => {
    const storage = new MemoryStorage();
    const kept = await st.open(source, { project: storage });
    const states: string[][] = [await snapshot(kept)];
    const steps: (() => Promise<unknown>)[] = [
      () => kept.prompt({ frame: 0, mask: twoObjects }),
      () => run(kept),
      () => kept.rename(1, 'first'),
      () => kept.prompt({ frame: 5, object: 1, mask: rectangles(SIZE, [1, 4, 4, 16, 28]) }),
      () => run(kept),
      () => kept.prompt({ frame: 8, object: 'late', mask: third }),
      () => run(kept, { direction: 'backward' }),
      () => kept.lock(2),
      () => kept.prompt({ frame: 9, object: 1, mask: rectangles(SIZE, [1, 0, 0, 9, 9]) }),
      () => run(kept),
      () => kept.unlock(2),
      () => kept.merge(['late'], 'first'),
      () => kept.clear(5),
      () => run(kept),
      () =>
        kept.split(1, 0, {
          polygon: [
            [0, 0],
            [33, 0],
            [33, 16],
            [0, 16],
          ],
        }),
      () => kept.remove(2),
      () => run(kept),
    ];
    for (const step of steps) {
      await step();
      states.push(await snapshot(kept));
    }
    expect(new Set(states.map(String)).size).toBeGreaterThan(8);
    const walk = async (of: Session) => {
      for (const state of [...states].reverse().slice(1)) {
        expect(await of.undo()).toBe(true);
        expect(await snapshot(of)).toEqual(state);
      }
      expect([await of.undo(), of.canUndo, of.objects]).toEqual([false, false, []]);
      for (const state of states.slice(1)) {
        expect(await of.redo()).toBe(true);
        expect(await snapshot(of)).toEqual(state);
      }
      expect(await of.redo()).toBe(false);
    };
    await walk(kept);
    await kept.undo();
    await kept.close();
    // The place in the history is kept, and so is what can be redone; masks are computed again.
    for (const name of await storage.list()) if (name !== '2.jsonl') await storage.remove(name);
    const again = await st.open(source, { project: storage });
    expect(await snapshot(again)).toEqual(states.at(-2));
    await again.redo();
    await walk(again);
    await again.close();
  });

  it('makes way for what is done after it', async () => {
    await session.prompt({ frame: 0, mask: twoObjects });
    await session.undo();
    await session.prompt({ frame: 0, mask: third });
    expect(session.canRedo).toBe(false);
    expect(session.objects.map(({ id }) => id)).toEqual([1]);
  });
});

describe('many objects', () => {
  it('300 of them, with ids of 16 bits', async () => {
    const size = { width: 97, height: 81 };
    const all = rectangles(
      size,
      ...Array.from({ length: 300 }, (_, i): [number, number, number, number, number] => {
        const [x, y] = [4 * (i % 20), 5 * Math.floor(i / 20)];
        return [701 + i, x, y, x + 4, y + 5];
      }),
    );
    const waves = new WaveSource(3, size);
    const many = await st.open(waves);
    await many.prompt({ frame: 0, mask: all });
    expect(many.objects).toHaveLength(300);
    expect(await run(many)).toEqual([0, 1, 2]);
    expect((await many.mask(0))!.data).toEqual(all.data);
    const { ids, data } = (await many.mask(2))!;
    expect(ids.every((id) => id > 700 && id <= 1000)).toBe(true);
    // Memory of 30 groups, each with its own identities.
    expect(ids.some((id) => id > 956)).toBe(true);
    expect(data.some((id, i) => id !== 0 && id === all.data[i])).toBe(true);
    await many.close();
  });

  it('up to id 65535', async () => {
    await session.prompt({ frame: 0, mask: rectangles(SIZE, [65535, 0, 0, 9, 9]) });
    expect(await errorOf(() => session.prompt({ frame: 0, mask: third, object: 'more' }))).toMatchObject({
      code: 'too-many-objects',
    });
  });
});

describe('a budget', () => {
  const promised = 60;

  it('that is too small is refused before the run, with what is needed', async () => {
    const small = await st.open(source, { memoryMB: 5 });
    await small.prompt({ frame: 0, mask: twoObjects });
    const error = (await errorOf(() => run(small))) as unknown as OutOfBudgetError;
    expect(error).toBeInstanceOf(OutOfBudgetError);
    expect(error.message).toMatch(
      /^Tracking 2 objects in 33x33 pixels with 1 reference frame needs [\d.]+ MB of memory/,
    );
    expect(await small.mask(1)).toBeUndefined();
    await small.close();
    const enough = await st.open(source, { memoryMB: (error.neededBytes + 1) / 1e6 });
    await enough.prompt({ frame: 0, mask: twoObjects });
    expect(enough.memory.expectedBytes).toBeUndefined();
    const used: number[] = [];
    for await (const { memory } of enough.propagate()) used.push(memory.usedBytes);
    expect(enough.memory.expectedBytes).toBe(error.neededBytes);
    const peak = Math.max(...used);
    expect(peak).toBeLessThanOrEqual(error.neededBytes);
    expect(peak).toBeGreaterThan(0.8 * error.neededBytes);
    await enough.close();
  });

  it('is kept while the memory grows to it', async () => {
    // What shares the GPU counts, and the other models would take most of it.
    await st.dispose();
    const large = await SamTrack.load({ model: 'deaot-l', weights: writeDeaotL(temporaryFolder()), longTermGap: 1 });
    const bounded = await large.open(new WaveSource(40), { memoryMB: promised });
    await bounded.prompt({ frame: 0, mask: twoObjects });
    const used: number[] = [];
    for await (const { memory } of bounded.propagate()) {
      expect(memory.budgetBytes).toBe(promised * 1e6);
      expect(memory.usedBytes).toBeLessThanOrEqual(promised * 1e6);
      used.push(memory.rememberedBytes);
    }
    expect(Math.max(...used)).toBeGreaterThan(used[0]!);
    await large.dispose();
  });
});
