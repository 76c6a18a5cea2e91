import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LongTermSchedule, MemoryFullError, type MemoryPolicy } from '../../src/index.js';

/** A schedule, and the memory that follows its moves: a frame number a slot. */
class Followed {
  readonly schedule: LongTermSchedule;
  readonly slots: number[] = [];

  constructor(policy: MemoryPolicy, gap: number, firstFrame = 0) {
    this.schedule = new LongTermSchedule(policy, gap, firstFrame);
  }

  admit(frame: number, reference: boolean, maxFrames: number): void {
    const { slot, moves } = this.schedule.admit(frame, reference, maxFrames);
    for (const { from, to } of moves) this.slots[to] = this.slots[from]!;
    this.slots.length = slot;
    this.slots[slot] = frame;
  }

  /** Reference at the first frame, then predicted frames when they are due. */
  run(frames: number, maxFrames: number): void {
    this.admit(0, true, maxFrames);
    for (let frame = 1; frame <= frames; frame++) if (this.schedule.due(frame)) this.admit(frame, false, maxFrames);
  }
}

const numbers = (schedule: LongTermSchedule) => schedule.frames.map(({ frame }) => frame);

describe('LongTermSchedule', () => {
  it('with gap 2 holds 1 + t / 2 frames after t frames', () => {
    for (let t = 0; t <= 12; t++) {
      const memory = new Followed('unbounded', 2);
      memory.run(t, 100);
      expect(memory.slots).toHaveLength(1 + Math.floor(t / 2));
    }
  });

  it('counts the gap from the last frame admitted, a reference too', () => {
    const memory = new Followed('unbounded', 5, 7);
    memory.admit(7, true, 10);
    expect([11, 12].map((frame) => memory.schedule.due(frame))).toEqual([false, true]);
    memory.admit(10, true, 10);
    expect([12, 14, 15].map((frame) => memory.schedule.due(frame))).toEqual([false, false, true]);
  });

  it('never memorises predicted frames with an infinite gap', () => {
    const memory = new Followed('sparse', Number.POSITIVE_INFINITY);
    memory.run(1000, 3);
    expect(memory.slots).toEqual([0]);
  });

  it('fifo drops the oldest predicted frame and keeps references', () => {
    const memory = new Followed('fifo', 1);
    memory.run(3, 4);
    memory.admit(4, true, 4);
    memory.admit(5, false, 4);
    expect(memory.slots.toSorted((a, b) => a - b)).toEqual([0, 3, 4, 5]);
  });

  it('sparse drops every other predicted frame and doubles the gap', () => {
    const memory = new Followed('sparse', 1);
    memory.run(5, 5);
    expect(memory.slots).toEqual([0, 2, 4, 5]);
    expect(memory.schedule.gap).toBe(2);
  });

  it('unbounded and references that fill the memory leave no room', () => {
    const full = new Followed('unbounded', 1);
    full.run(2, 3);
    expect(full.schedule.canAdmit(3)).toBe(false);
    expect(() => full.admit(3, false, 3)).toThrow(MemoryFullError);
    const references = new Followed('sparse', 1);
    references.admit(0, true, 2);
    references.admit(1, true, 2);
    expect(references.schedule.canAdmit(2)).toBe(false);
    expect(() => references.admit(2, false, 2)).toThrow(MemoryFullError);
    // What failed has changed nothing.
    expect(numbers(references.schedule)).toEqual([0, 1]);
    expect(references.schedule.gap).toBe(1);
  });

  const runs = fc.record({
    policy: fc.constantFrom<MemoryPolicy>('fifo', 'sparse', 'unbounded'),
    gap: fc.integer({ min: 1, max: 7 }),
    // For each frame: is it a reference, and how much room is there when it comes?
    frames: fc.array(fc.record({ reference: fc.boolean(), maxFrames: fc.integer({ min: 1, max: 12 }) }), {
      maxLength: 80,
    }),
  });

  it('keeps references, the limit, and slots without holes, whatever comes', () => {
    fc.assert(
      fc.property(runs, ({ policy, gap, frames }) => {
        const memory = new Followed(policy, gap);
        const references: number[] = [];
        for (const [frame, { reference, maxFrames }] of frames.entries()) {
          if (!reference && !memory.schedule.due(frame)) continue;
          if (!memory.schedule.canAdmit(maxFrames)) {
            expect(() => memory.admit(frame, reference, maxFrames)).toThrow(MemoryFullError);
            continue;
          }
          const before = new Set(memory.slots);
          memory.admit(frame, reference, maxFrames);
          if (reference) references.push(frame);
          expect(memory.slots.length).toBeLessThanOrEqual(maxFrames);
          // The memory that followed the moves holds what the schedule says, slot by slot, and no frame twice.
          expect(memory.slots).toEqual(numbers(memory.schedule));
          expect(new Set(memory.slots).size).toBe(memory.slots.length);
          expect(memory.slots).toEqual(expect.arrayContaining([...references, frame]));
          for (const held of memory.slots) expect(held === frame || before.has(held)).toBe(true);
        }
      }),
    );
  });

  it('sparse spans the whole video, evenly', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 3, max: 16 }),
        fc.integer({ min: 1, max: 600 }),
        (gap, maxFrames, length) => {
          const memory = new Followed('sparse', gap);
          memory.run(length, maxFrames);
          const held = [...memory.slots, length].sort((a, b) => a - b);
          const holes = held.slice(1).map((frame, i) => frame - held[i]!);
          // The largest hole is a fixed share of the video, and never needs more than the gap says now.
          expect(Math.max(...holes)).toBeLessThanOrEqual(2 * memory.schedule.gap);
          expect(memory.schedule.gap).toBeLessThanOrEqual(Math.max(gap, (4 * length) / (maxFrames - 1)));
        },
      ),
    );
  });
});
