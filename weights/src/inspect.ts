import { stat } from 'node:fs/promises';
import {
  type Architecture,
  type Checkpoint,
  CheckpointError,
  type DType,
  detectArchitecture,
  openCheckpoint,
  type TensorInfo,
} from '@samtrack/models/checkpoint';

/** What a checkpoint file holds, from its header alone. */
export interface Inspection {
  readonly file: string;
  /** Bytes of the file. */
  readonly bytes: number;
  readonly format: Checkpoint['format'];
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly TensorInfo[];
  /** Elements of all tensors together. */
  readonly values: number;
  /** Tensors of each dtype. */
  readonly dtypes: ReadonlyMap<DType, number>;
  /** `undefined` for a model we do not know. */
  readonly architecture: Architecture | undefined;
  /** Why the model cannot be used, when it is one that resembles ours (AOT). */
  readonly problem: string | undefined;
}

/** Looks into a `.pth`, `.safetensors` or manifest file without reading its values. @throws CheckpointError */
export async function inspect(path: string, options: { signal?: AbortSignal | undefined } = {}): Promise<Inspection> {
  const checkpoint = await openCheckpoint(path, options);
  try {
    const tensors = checkpoint.keys.map((key) => checkpoint.info(key));
    const dtypes = new Map<DType, number>();
    for (const { dtype } of tensors) dtypes.set(dtype, (dtypes.get(dtype) ?? 0) + 1);
    const values = tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
    const { format, metadata } = checkpoint;
    const { size: bytes } = await stat(path);
    return { file: path, bytes, format, metadata, tensors, values, dtypes, ...recognise(checkpoint) };
  } finally {
    await checkpoint.close();
  }
}

function recognise(checkpoint: Checkpoint): Pick<Inspection, 'architecture' | 'problem'> {
  try {
    return { architecture: detectArchitecture(checkpoint), problem: undefined };
  } catch (error) {
    if (error instanceof CheckpointError && error.code === 'wrong-architecture') {
      return { architecture: undefined, problem: error.message };
    }
    throw error;
  }
}
