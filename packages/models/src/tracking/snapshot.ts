import type { Engine } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import { TrackerError } from './errors.js';

/** What JSON can say. */
export type SnapshotState =
  | string
  | number
  | boolean
  | null
  | readonly SnapshotState[]
  | { readonly [name: string]: SnapshotState };

/** A tensor of a snapshot. */
export interface SnapshotTensor {
  readonly shape: readonly number[];
  /** Its values, row by row. They are fetched when they are asked for, so that one tensor at a time lies on the CPU. */
  read(): Promise<Float32Array<ArrayBuffer>>;
}

/**
 * All that the masks of later frames depend on, besides the model, the tracker's options and these frames themselves: an explicit value, from
 * which another tracker goes on with the same bytes. One that was taken of a tracker is read before the tracker is used again.
 */
export interface TrackerSnapshot {
  /** Everything but tensors. */
  readonly state: SnapshotState;
  /** float32 tensors by name. */
  readonly tensors: ReadonlyMap<string, SnapshotTensor>;
}

/** Makes snapshots: states are returned, tensors are collected. */
export class SnapshotWriter {
  readonly tensors = new Map<string, SnapshotTensor>();

  constructor(private readonly engine: Engine) {}

  /** @param make The tensor, or a copy that is freed once it was read. */
  add(name: string, shape: readonly number[], make: () => { tensor: Tensor; isCopy?: boolean }): void {
    const read = async () => {
      const { tensor, isCopy } = make();
      try {
        return new Float32Array(await this.engine.read(tensor));
      } finally {
        if (isCopy) tensor.dispose();
      }
    };
    this.tensors.set(name, { shape, read });
  }
}

/** @throws TrackerError `snapshot` unless there is a tensor of this name and shape */
export async function snapshotValues(
  { tensors }: TrackerSnapshot,
  name: string,
  shape: readonly number[],
): Promise<Float32Array<ArrayBuffer>> {
  const stored = tensors.get(name);
  if (stored && stored.shape.join() === shape.join()) return await stored.read();
  const found = stored ? `is [${stored.shape.join(', ')}]` : 'is missing';
  throw new TrackerError(
    'snapshot',
    `The snapshot is of another tracker: ${name} ${found}, [${shape.join(', ')}] is wanted.`,
  );
}
