import { expect, it } from 'vitest';
import { type Frame, type LabelMap, MemoryStorage } from '../../src/io/index.js';
import { Session, SharedTracker } from '../../src/session/index.js';
import type { FoundMasks, FrameTracker } from '../../src/tracking/frame-tracker.js';
import { rectangles, SIZE, WaveSource } from './scene.js';

/** Knows one object, which is behind something in frames 2 and 3; a second one it loses sight of without knowing. */
class PresenceTracker implements FrameTracker {
  readonly recallsExactly = true;
  readonly recentFrames = 1;
  readonly groupSize = 1;
  readonly memorisedFrames = [];
  readonly memory = { rememberedBytes: 0, allocatedBytes: 0, keptBytes: 0 };
  async addReference(): Promise<void> {}
  async remember(): Promise<void> {}
  async recall(): Promise<void> {}
  restart(): void {}
  memorises(): boolean {
    return false;
  }
  async step(frame: Frame): Promise<LabelMap> {
    return (await this.predict(frame)).labels;
  }
  async predict({ index }: Frame): Promise<FoundMasks> {
    const hidden = index === 2 || index === 3;
    const labels = rectangles(SIZE, ...(hidden ? [] : ([[1, 2, 2, 10, 10]] as const).map((box) => [...box] as never)));
    const certainty = new Map([[1, { mean: hidden ? 0.02 : 0.97, positions: 1 }]]);
    return { labels, certainty };
  }
}

it('an object that the tracker says is gone is shown as gone, and keeps its id when it returns', async () => {
  const storage = new MemoryStorage('waves');
  const open = () =>
    Session.open({
      source: new WaveSource(6),
      shared: new SharedTracker(new PresenceTracker()),
      identity: {},
      storage,
    });
  const session = await open();
  await session.prompt({ frame: 0, object: 'one', mask: rectangles(SIZE, [1, 2, 2, 10, 10]) });
  await session.prompt({ frame: 0, object: 'two', mask: rectangles(SIZE, [1, 20, 20, 30, 30]) });
  for await (const _ of session.propagate());
  const at = (frame: number) =>
    session
      .timeline()
      .find((drift) => drift.frame === frame)!
      .objects.get(1);
  expect(at(1)).toMatchObject({ gone: false, certainty: 0.97 });
  for (const frame of [2, 3]) {
    expect(at(frame)).toEqual({ certainty: 0.98, area: 0, areaJump: 0, confidence: 0.98, gone: true });
    expect((await session.mask(frame))!.data.includes(1)).toBe(false);
  }
  expect(at(4)).toMatchObject({ gone: false, area: 64 });
  // The one that was lost without a word is what to look at.
  expect(session.suggest()).toMatchObject({ object: 2 });
  const before = session.timeline();
  await session.close();
  const again = await open();
  expect(again.timeline()).toEqual(before);
  await again.close();
});
