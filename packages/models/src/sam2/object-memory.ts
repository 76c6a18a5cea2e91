import { dispose, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { type SnapshotWriter, snapshotValues, type TrackerSnapshot } from '../tracking/snapshot.js';
import { FEATURES, MEMORY_CHANNELS, MEMORY_FRAMES, POINTER_FRAMES } from './config.js';
import type { MemoryContext } from './memory-attention.js';
import { closestConditioningFrames, pointerFrames, recentFrames } from './memory-frames.js';
import type { ObjectOutput, Sam2Model } from './model.js';

/** What is remembered of an object on a frame. */
export interface Remembered extends ObjectOutput {
  /** float32 [n^2, 64]; missing until it is needed, or when only the pointer is left. */
  memory?: Tensor | undefined;
}

/** Frames that an object was prompted on, and frames that it was followed through. */
export type MemoryKind = 'conditioning' | 'tracked';

/** How an object's memory is read. */
export interface MemoryReading {
  /** Conditioning frames that a frame attends to at most (sam2, `max_cond_frames_in_attn`). */
  maxConditioningFrames: number;
  /** Frames whose pointers a frame attends to at most (sam2, `max_obj_ptrs_in_encoder`). */
  maxPointers: number;
  /** Distance of remembered frames but the last (sam2, `memory_temporal_stride_for_eval`). */
  memoryStride: number;
}

/** What a frame attends to of an object's memory. */
export interface MemoryRead {
  frames: MemoryContext['frames'];
  /** With distances as shares of the furthest one. */
  pointers: { pointer: Float32Array; distance: number }[];
}

/** As published. */
export const MEMORY_READING: MemoryReading = {
  maxConditioningFrames: Number.POSITIVE_INFINITY,
  maxPointers: POINTER_FRAMES,
  memoryStride: 1,
};

/** What no frame reads of another one. */
export const NOT_SHOWN = { lowRes: new Float32Array(), score: 0, iou: 0 };

/** The memory of an object beside its tensors. */
export type ObjectMemoryState = Readonly<
  Record<MemoryKind, readonly { readonly frame: number; readonly hasMemory: boolean }[]>
>;

/** The memory of one object: an explicit value, whose tensors it owns. */
export class ObjectMemory {
  readonly conditioning = new Map<number, Remembered>();
  readonly tracked = new Map<number, Remembered>();

  get(kind: MemoryKind, frame: number): Remembered | undefined {
    return this[kind].get(frame);
  }

  /** Remembers a frame, in place of what was remembered of it in that way, and in its place: of frames equally near the earlier ones are read. */
  set(kind: MemoryKind, frame: number, entry: Remembered): void {
    const before = this[kind].get(frame)?.memory;
    if (before !== entry.memory) before?.dispose();
    this[kind].set(frame, entry);
  }

  delete(kind: MemoryKind, frame: number): void {
    this[kind].get(frame)?.memory?.dispose();
    this[kind].delete(frame);
  }

  /** Turns a conditioning frame into one that was followed. */
  demote(frame: number): boolean {
    const entry = this.conditioning.get(frame);
    if (!entry) return false;
    this.conditioning.delete(frame);
    this.set('tracked', frame, entry);
    return true;
  }

  /**
   * What a frame attends to.
   * @param frames Number of frames of the video; unlimited for one that goes on.
   */
  read(
    frame: number,
    backward: boolean,
    frames: number,
    { maxConditioningFrames, maxPointers, memoryStride }: MemoryReading,
  ): MemoryRead {
    const { selected, rest } = closestConditioningFrames([...this.conditioning.keys()], frame, maxConditioningFrames);
    const other = (at: number) => this.tracked.get(at) ?? (rest.includes(at) ? this.conditioning.get(at) : undefined);
    const memories = selected.flatMap((at) => {
      const { memory } = this.conditioning.get(at)!;
      return memory ? [{ memory, row: MEMORY_FRAMES - 1 }] : [];
    });
    for (const { frame: at, row } of recentFrames(frame, memoryStride, backward)) {
      const memory = other(at)?.memory;
      if (memory) memories.push({ memory, row });
    }
    const most = Math.min(frames, maxPointers);
    const pointers: MemoryRead['pointers'] = [];
    for (const at of selected) {
      const distance = backward ? at - frame : frame - at;
      if (distance >= 0) pointers.push({ pointer: this.conditioning.get(at)!.pointer, distance });
    }
    for (const { frame: at, distance } of pointerFrames(frame, most, frames, backward)) {
      const entry = other(at);
      if (entry) pointers.push({ pointer: entry.pointer, distance });
    }
    const furthest = Math.max(most - 1, 1);
    return { frames: memories, pointers: pointers.map((p) => ({ ...p, distance: p.distance / furthest })) };
  }

  /** Forgets what no later frame reads. @param next The frame that comes next, in the direction of travel. */
  forgetBefore(next: number, backward: boolean, { maxPointers, memoryStride }: MemoryReading): void {
    const distance = (frame: number) => (backward ? frame - next : next - frame);
    // With a stride, frames between two multiples are read later.
    const furthest = Math.max(...recentFrames(next, memoryStride, backward).map(({ frame }) => distance(frame)));
    for (const [frame, entry] of [...this.tracked]) {
      if (distance(frame) <= furthest) continue;
      if (distance(frame) > maxPointers) this.delete('tracked', frame);
      else {
        entry.memory?.dispose();
        entry.memory = undefined;
      }
    }
  }

  /** Adds to a snapshot what frames read. @returns the rest of it */
  snapshot(name: string, snapshot: SnapshotWriter): ObjectMemoryState {
    const kept = (kind: MemoryKind) =>
      [...this[kind]].map(([frame, { memory, pointer }]) => {
        const key = `${name}.${kind}${frame}`;
        if (memory) snapshot.add(`${key}.memory`, memory.shape, () => ({ tensor: memory }));
        snapshot.tensors.set(`${key}.pointer`, { shape: [FEATURES], read: async () => Float32Array.from(pointer) });
        return { frame, hasMemory: memory !== undefined };
      });
    return { conditioning: kept('conditioning'), tracked: kept('tracked') };
  }

  /** The memory that an object added to a snapshot, of `positions` positions a frame. @throws TrackerError `snapshot` */
  static async restored(
    name: string,
    snapshot: TrackerSnapshot,
    state: ObjectMemoryState,
    positions: number,
  ): Promise<ObjectMemory> {
    const restored = new ObjectMemory();
    try {
      for (const kind of ['conditioning', 'tracked'] as const) {
        for (const { frame, hasMemory } of state[kind]) {
          const key = `${name}.${kind}${frame}`;
          const pointer = await snapshotValues(snapshot, `${key}.pointer`, [FEATURES]);
          const shape: [number, number] = [positions, MEMORY_CHANNELS];
          const memory = hasMemory ? tensor(await snapshotValues(snapshot, `${key}.memory`, shape), shape) : undefined;
          restored.set(kind, frame, { ...NOT_SHOWN, pointer, memory });
        }
      }
      return restored;
    } catch (error) {
      restored.dispose();
      throw error;
    }
  }

  /** Bytes of GPU memory that memories take. */
  get bytes(): number {
    const entries = [...this.conditioning.values(), ...this.tracked.values()];
    return entries.reduce((sum, { memory }) => sum + 4 * (memory?.size ?? 0), 0);
  }

  dispose(): void {
    for (const entries of [this.conditioning, this.tracked]) {
      for (const { memory } of entries.values()) memory?.dispose();
      entries.clear();
    }
  }
}

/** What `ObjectMemory.read` gave as the attention takes it; `pointers` are the caller's to dispose. */
export function memoryContext(model: Sam2Model, { frames, pointers }: MemoryRead): MemoryContext {
  return {
    frames,
    pointers: model.pointerContext(
      pointers.map(({ pointer }) => pointer),
      pointers.map(({ distance }) => distance),
    ),
  };
}

/** Frees what `memoryContext` made. */
export function disposeContext({ pointers }: MemoryContext): void {
  if (pointers) dispose([pointers.tokens, pointers.positions]);
}
