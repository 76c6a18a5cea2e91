import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openSource, readMask } from '../../src/io/index.js';
import { type TrackerKind, VideoTracker } from '../../src/tracking/index.js';

const demo = (path: string) => fileURLToPath(new URL(`../../../../demo/${path}`, import.meta.url));

const FRAMES = 16;

/** The labels of the bundled clip's first frames, tracked with the weights that come along, at a small size. */
async function track(engine: 'webgpu' | 'cpu', tracker: TrackerKind, threads?: number): Promise<Uint16Array[]> {
  const source = await openSource(demo('clip.mp4'));
  const masks: Uint16Array[] = [];
  using model = await VideoTracker.load({ engine, tracker, longEdge: 225, longTermGap: 4, cpu: { threads } });
  try {
    const first = await readMask(demo('masks/00000.png'), source);
    for await (const frame of source.frames({ to: FRAMES })) {
      if (frame.index === 0) await model.addReference(frame, first);
      else masks.push((await model.step(frame)).data.slice());
    }
    return masks;
  } finally {
    await source.close();
  }
}

/** Share of the pixels with the same label, of the frame where it is the least. */
function agreement(a: readonly Uint16Array[], b: readonly Uint16Array[]): number {
  expect([a.length, b.length]).toEqual([FRAMES - 1, FRAMES - 1]);
  return Math.min(...a.map((mask, i) => mask.filter((id, at) => id === b[i]![at]).length / mask.length));
}

it.each(['deaot', 'propagation'] as const)(
  'engines agree on the labels of a whole sequence, and so do one thread and two, %s',
  async (tracker) => {
    const cpu = await track('cpu', tracker, 2);
    // Else nothing was tracked.
    expect(new Set(cpu.at(-1)).size).toBeGreaterThan(2);
    expect(agreement(cpu, await track('cpu', tracker, 1))).toBeGreaterThan(0.999);
    expect(agreement(cpu, await track('webgpu', tracker))).toBeGreaterThan(0.999);
  },
);
