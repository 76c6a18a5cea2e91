/** Where the CPU engine runs out of memory, or its user of patience. */
import { OutOfBudgetError } from '@samtrack/models';
import { describe, expect, it } from 'vitest';
import { SamTrack } from '../../src/session/index.js';
import { errorOf, temporaryFolder } from '../io/temporary.js';
import { rectangles, SIZE, WaveSource } from '../session/scene.js';
import { DEAOT_T_WEIGHTS, writeDeaotL } from '../tracking/scene.js';

const twoObjects = rectangles(SIZE, [1, 2, 4, 12, 28], [2, 20, 4, 31, 28]);
const deaotL = writeDeaotL(temporaryFolder());

describe('memory on the CPU', () => {
  it('is what was promised while it grows, and what is needed is told before a run that has too little', async () => {
    const st = await SamTrack.load({ engine: 'cpu', model: 'deaot-l', weights: deaotL, longTermGap: 1 });
    try {
      const session = await st.open(new WaveSource(16), { memoryMB: 60 });
      await session.prompt({ frame: 0, mask: twoObjects });
      const bytes: number[] = [];
      for await (const { memory } of session.propagate()) {
        expect(memory.usedBytes).toBeLessThanOrEqual(60e6);
        bytes.push(memory.rememberedBytes);
      }
      expect(bytes).toHaveLength(16);
      expect(Math.max(...bytes)).toBeGreaterThan(4 * bytes[0]!);
      const small = await st.open(new WaveSource(16), { memoryMB: 5 });
      await small.prompt({ frame: 0, mask: twoObjects });
      const error = await errorOf(async () => {
        for await (const _ of small.propagate());
      });
      expect(error).toBeInstanceOf(OutOfBudgetError);
      expect(error['neededBytes']).toBeGreaterThan(5e6);
    } finally {
      await st.dispose();
    }
  });
});

describe('a run on the CPU', () => {
  it('ends at most one frame after it was told to', async () => {
    const st = await SamTrack.load({ engine: 'cpu', weights: DEAOT_T_WEIGHTS });
    try {
      const session = await st.open(new WaveSource(200));
      await session.prompt({ frame: 0, mask: twoObjects });
      const stop = new AbortController();
      let done = 0;
      let doneWhenStopped = 0;
      const run = async () => {
        for await (const { frame } of session.propagate({ signal: stop.signal })) {
          done++;
          if (frame !== 3) continue;
          // In the middle of the next frame.
          setImmediate(() => {
            doneWhenStopped = done;
            stop.abort(new Error('enough'));
          });
        }
      };
      await expect(run()).rejects.toThrow('enough');
      expect(doneWhenStopped).toBeGreaterThan(0);
      expect(done - doneWhenStopped).toBeLessThanOrEqual(1);
      // What is done stays.
      expect((await session.mask(3))!.ids).toEqual([1, 2]);
    } finally {
      await st.dispose();
    }
  });
});
