import { copyBlock, getEngine, transpose } from '@samtrack/kernels';
import { dispose, type Tensor } from '@tensorflow/tfjs-core';
import { type SnapshotWriter, snapshotValues, type TrackerSnapshot } from '../tracking/snapshot.js';
import { KEY_CHANNELS, VALUE_CHANNELS } from './config.js';
import type { LongTermSchedule, ScheduleState } from './memory-schedule.js';

/** What a layer computes of a frame and later needs to remember it. */
export interface KeyValue {
  /** Queries, which are the keys too: float32 [T, 128]. */
  key: Tensor;
  /** Visual values, float32 [T, 512]. */
  value: Tensor;
  /** Normalised ID stream, as [normalised visual | ID] in float32 [T, 512]; missing in the first layer. */
  normalised?: Tensor;
}

/** A layer's memory of frames, read by global attention. */
export interface LongTermMemory {
  /** float32 [128, capacity], transposed; columns beyond `tokens` hold anything. */
  keys: Tensor;
  /** float32 [capacity, 512]. */
  value: Tensor;
  /** float32 [capacity, 512]. */
  idValue: Tensor;
  /** Tokens in use, from the first on. */
  tokens: number;
}

/** A layer's memory of one frame, read by windowed attention. */
export interface ShortTermMemory {
  /** float32 [T, 128]. */
  key: Tensor;
  /** float32 [T, 512]. */
  value: Tensor;
  /** float32 [T, 512]. */
  idValue: Tensor;
}

/** What one layer reads from. */
export interface LayerMemory {
  long: LongTermMemory;
  short: ShortTermMemory;
}

const FLOAT_BYTES = 4;

/** Bytes that one remembered token takes in one layer. */
const TOKEN_BYTES = (KEY_CHANNELS + 2 * VALUE_CHANNELS) * FLOAT_BYTES;

/** Long-term buffers have room for whole vectors of tokens. */
const roundUp = (tokens: number) => Math.ceil(tokens / 4) * 4;

/** Bytes of one layer's memory: the frames of the long-term memory, and the one of the short-term memory. */
export const layerBytes = (tokens: number, frames: number): number => (roundUp(frames * tokens) + tokens) * TOKEN_BYTES;

/** Long-term frames that fit into a layer's share of a budget; below 1 when not even one does. */
export function framesWithin(bytes: number, tokens: number): number {
  const room = Math.floor(bytes / TOKEN_BYTES) - tokens;
  return Math.floor((room - (room % 4)) / tokens);
}

/**
 * The memory of one group of ten objects: per layer, the frames of the long-term memory and the one of the short-term
 * memory. Which frames stay is the schedule's decision; attention does not depend on their order.
 */
export class GroupMemory {
  readonly layers: readonly LayerMemory[];
  #capacity = 0;

  constructor(
    layers: number,
    /** Tokens of a frame. */
    readonly tokens: number,
    readonly schedule: LongTermSchedule,
  ) {
    const runtime = getEngine();
    const float = (channels: number) => runtime.allocate([tokens, channels]);
    this.layers = Array.from({ length: layers }, () => ({
      long: {
        keys: zeros([KEY_CHANNELS, 0]),
        value: zeros([0, VALUE_CHANNELS]),
        idValue: zeros([0, VALUE_CHANNELS]),
        tokens: 0,
      },
      short: { key: float(KEY_CHANNELS), value: float(VALUE_CHANNELS), idValue: float(VALUE_CHANNELS) },
    }));
  }

  /** Bytes held on the GPU, unused capacity included. */
  get bytes(): number {
    return this.layers.length * layerBytes(this.tokens, this.#capacity);
  }

  /** Frames that fit without allocation. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Makes a frame the short-term memory. */
  remember(keyValues: readonly KeyValue[], idValues: readonly Tensor[]): void {
    for (const [i, { short }] of this.layers.entries()) {
      copyBlock(keyValues[i]!.key, short.key);
      copyBlock(keyValues[i]!.value, short.value);
      copyBlock(idValues[i]!, short.idValue);
    }
  }

  /**
   * Adds the short-term frame to the long-term memory, evicting what the policy says.
   * @param maxFrames Frames the budget allows this group.
   */
  memorise(frame: number, reference: boolean, maxFrames: number): void {
    const { slot, moves } = this.schedule.admit(frame, reference, maxFrames);
    for (const { from, to } of moves) this.#move(from, to);
    this.#reserve(this.schedule.frames.length, maxFrames);
    for (const { long, short } of this.layers) {
      transpose(short.key, { into: { tensor: long.keys, column: slot * this.tokens } });
      copyBlock(short.value, long.value, { row: slot * this.tokens });
      copyBlock(short.idValue, long.idValue, { row: slot * this.tokens });
      long.tokens = this.schedule.frames.length * this.tokens;
    }
  }

  /** Adds its tensors to a snapshot, each frame's by itself. @returns the rest of it */
  snapshot(name: string, snapshot: SnapshotWriter): GroupState {
    const { tokens, schedule } = this;
    for (const [l, { long, short }] of this.layers.entries()) {
      const [keyShape, valueShape] = shapesOf(tokens);
      snapshot.add(`${name}.layer${l}.short.key`, [tokens, KEY_CHANNELS], () => ({ tensor: short.key }));
      for (const stream of STREAMS) {
        snapshot.add(`${name}.layer${l}.short.${stream}`, valueShape, () => ({ tensor: short[stream] }));
      }
      for (const slot of schedule.frames.keys()) {
        const first = slot * tokens;
        snapshot.add(`${name}.layer${l}.long${slot}.keys`, keyShape, () =>
          copied(long.keys, keyShape, { column: first, columns: tokens }),
        );
        for (const stream of STREAMS) {
          snapshot.add(`${name}.layer${l}.long${slot}.${stream}`, valueShape, () =>
            copied(long[stream], valueShape, { row: first, rows: tokens }),
          );
        }
      }
    }
    return { capacity: this.#capacity, schedule: schedule.state };
  }

  /** Takes over what a group of the same size added to a snapshot. @throws TrackerError `snapshot` */
  async restore(name: string, snapshot: TrackerSnapshot, { capacity }: GroupState): Promise<void> {
    const { tokens, schedule } = this;
    const [keyShape, valueShape] = shapesOf(tokens);
    this.#reserve(capacity, capacity);
    const write = async (
      tensor: string,
      shape: [number, number],
      target: Tensor,
      at: { row?: number; column?: number },
    ) => {
      const block = getEngine().allocate(shape);
      try {
        getEngine().write(block, await snapshotValues(snapshot, `${name}.${tensor}`, shape));
        copyBlock(block, target, at);
      } finally {
        block.dispose();
      }
    };
    for (const [l, { long, short }] of this.layers.entries()) {
      await write(`layer${l}.short.key`, [tokens, KEY_CHANNELS], short.key, {});
      for (const stream of STREAMS) await write(`layer${l}.short.${stream}`, valueShape, short[stream], {});
      for (const slot of schedule.frames.keys()) {
        const first = slot * tokens;
        await write(`layer${l}.long${slot}.keys`, keyShape, long.keys, { column: first });
        for (const stream of STREAMS) {
          await write(`layer${l}.long${slot}.${stream}`, valueShape, long[stream], { row: first });
        }
      }
      long.tokens = schedule.frames.length * tokens;
    }
  }

  #move(from: number, to: number): void {
    const { tokens } = this;
    for (const { long } of this.layers) {
      copyBlock(long.keys, long.keys, { column: to * tokens }, { column: from * tokens, columns: tokens });
      copyBlock(long.value, long.value, { row: to * tokens }, { row: from * tokens, rows: tokens });
      copyBlock(long.idValue, long.idValue, { row: to * tokens }, { row: from * tokens, rows: tokens });
    }
  }

  /** Grows the capacity to hold `frames`, doubling it where the limit allows; shrinks it where the limit has fallen. */
  #reserve(frames: number, maxFrames: number): void {
    const wanted = frames > this.#capacity ? Math.max(frames, this.#capacity * 2) : this.#capacity;
    const capacity = Math.min(wanted, maxFrames);
    if (capacity === this.#capacity) return;
    const used = Math.min(this.#capacity, capacity) * this.tokens;
    const columns = roundUp(capacity * this.tokens);
    for (const { long } of this.layers) {
      const resized = (old: Tensor, shape: [number, number], block: { rows?: number; columns?: number }) => {
        const next = zeros(shape);
        if (used > 0) copyBlock(old, next, {}, block);
        old.dispose();
        return next;
      };
      long.keys = resized(long.keys, [KEY_CHANNELS, columns], { columns: used });
      long.value = resized(long.value, [columns, VALUE_CHANNELS], { rows: used });
      long.idValue = resized(long.idValue, [columns, VALUE_CHANNELS], { rows: used });
      // The pool would keep the outgrown buffers for ever.
      getEngine().trim();
    }
    this.#capacity = capacity;
  }

  dispose(): void {
    for (const { long, short } of this.layers) {
      dispose([long.keys, long.value, long.idValue, short.key, short.value, short.idValue]);
    }
  }
}

/** What a group's memory is beside its tensors. */
export type GroupState = { readonly capacity: number; readonly schedule: ScheduleState };

/** Values of the visual and of the ID stream. */
const STREAMS = ['value', 'idValue'] as const;

/** Shapes of one frame's part of the long-term memory: keys, and values. */
const shapesOf = (tokens: number): [[number, number], [number, number]] => [
  [KEY_CHANNELS, tokens],
  [tokens, VALUE_CHANNELS],
];

/** A rectangle of a matrix, by itself. */
function copied(
  source: Tensor,
  shape: [number, number],
  block: { row?: number; column?: number; rows?: number; columns?: number },
): { tensor: Tensor; isCopy: true } {
  const tensor = getEngine().allocate(shape);
  copyBlock(source, tensor, {}, block);
  return { tensor, isCopy: true };
}

/** A tensor that memories are written to; what is not written yet may be read, but must not be NaN. */
function zeros(shape: [number, number]): Tensor {
  const engine = getEngine();
  const tensor = engine.allocate(shape);
  if (tensor.size > 0) engine.write(tensor, new Float32Array(tensor.size));
  return tensor;
}
