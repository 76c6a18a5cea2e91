import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import {
  type Checkpoint,
  type DType,
  encodeF16,
  openCheckpoint,
  type StreamedSafetensorsEntry,
  streamSafetensors,
} from '@samtrack/models/checkpoint';
import { WeightsError } from './error.js';

/** Options of `convert`. */
export interface ConvertOptions {
  /** Floating-point dtype of the result; integers and booleans stay as they are. `f32` by default. */
  readonly dtype?: 'f32' | 'f16';
  /** Called with tensors written so far and all tensors. */
  readonly onProgress?: (tensors: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What `convert` wrote. */
export interface ConvertResult {
  readonly path: string;
  readonly bytes: number;
  readonly tensors: number;
  /** Keys kept in float32 although float16 was asked for, because their largest value would have become infinite. */
  readonly keptF32: readonly string[];
}

const FLOATS: readonly DType[] = ['f64', 'f32', 'f16', 'bf16'];
const LARGEST_F16 = 65504;

/**
 * Writes any accepted checkpoint as safetensors, one tensor in memory at a time. Keys stay those of the state dict.
 * The result appears only when it is complete.
 * @throws CheckpointError for the input, WeightsError `disk` for the output
 */
export async function convert(input: string, output: string, options: ConvertOptions = {}): Promise<ConvertResult> {
  const { dtype = 'f32', signal } = options;
  const checkpoint = await openCheckpoint(input, { signal });
  const part = `${output}.part`;
  try {
    const plan = await planTensors(checkpoint, dtype, options);
    // What a file says of its weights stays with them; PyTorch's says nothing.
    const stated = checkpoint.format.startsWith('pytorch') ? {} : checkpoint.metadata;
    const metadata = { ...stated, format: 'pt', source: basename(input), dtype };
    const bytes = await writeFile(part, streamSafetensors(plan.entries, { metadata }));
    await rename(part, output);
    return { path: output, bytes, tensors: plan.entries.length, keptF32: plan.keptF32 };
  } catch (error) {
    // If even the cleaning up fails, the first failure is the one to tell.
    await rm(part, { force: true }).catch(() => undefined);
    throw asDiskError(error, output);
  } finally {
    await checkpoint.close();
  }
}

async function planTensors(checkpoint: Checkpoint, dtype: 'f32' | 'f16', { signal, onProgress }: ConvertOptions) {
  const keptF32: string[] = [];
  const entries: StreamedSafetensorsEntry[] = [];
  let done = 0;
  for (const key of checkpoint.keys) {
    const { dtype: stored, shape } = checkpoint.info(key);
    const isFloat = FLOATS.includes(stored);
    let target: DType = isFloat ? dtype : stored;
    // The header comes first in the file, so a tensor that does not fit float16 must be found before anything is written.
    if (target === 'f16' && stored !== 'f16' && !(await fitsF16(checkpoint, key, signal))) {
      target = 'f32';
      keptF32.push(key);
    }
    const data = async (): Promise<Uint8Array> => {
      const bytes = await encode(checkpoint, key, stored, target, signal);
      onProgress?.(++done, checkpoint.keys.length);
      return bytes;
    };
    entries.push({ key, dtype: target, shape, data });
  }
  return { entries, keptF32 };
}

async function fitsF16(checkpoint: Checkpoint, key: string, signal: AbortSignal | undefined): Promise<boolean> {
  const { data } = await checkpoint.read(key, { signal });
  return data.every((value) => !(Math.abs(value) > LARGEST_F16) || !Number.isFinite(value));
}

async function encode(
  checkpoint: Checkpoint,
  key: string,
  stored: DType,
  target: DType,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (stored === target) return (await checkpoint.readRaw(key, { signal })).data;
  const { data } = await checkpoint.read(key, { signal });
  return new Uint8Array(target === 'f16' ? encodeF16(data).buffer : data.buffer);
}

async function writeFile(path: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
  await mkdir(dirname(path), { recursive: true });
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'w');
    for await (const chunk of chunks) await file.writeFile(chunk);
  } finally {
    await file?.close();
  }
  return (await stat(path)).size;
}

/** What the file system refuses, as a WeightsError; anything else as it is. */
function asDiskError(error: unknown, file: string): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (!syscall) return error;
  const reason = code === 'ENOSPC' ? 'the disk is full' : message;
  return new WeightsError('disk', `cannot write ${file}: ${reason}`, { file, cause: error });
}
