import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { openCheckpoint, type StoredAsOptions, storedAs, streamSafetensors } from '@samtrack/models/checkpoint';
import { WeightsError } from './error.js';

/** Options of `convert`. */
export interface ConvertOptions extends StoredAsOptions {
  /** Dtype of the result's matrices, `f32` by default. Vectors are always f32; integers and booleans stay as they are. */
  readonly dtype?: 'f32' | 'f16' | undefined;
}

/** What `convert` wrote. */
export interface ConvertResult {
  readonly path: string;
  readonly bytes: number;
  readonly tensors: number;
  /** Keys of matrices kept in float32 although float16 was asked for: their largest value would have become infinite. */
  readonly keptF32: readonly string[];
}

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
    const { entries, keptF32, metadata } = await storedAs(checkpoint, dtype, options);
    const said = { ...metadata, source: basename(input) };
    const bytes = await writeFile(part, streamSafetensors(entries, { metadata: said }));
    await rename(part, output);
    return { path: output, bytes, tensors: entries.length, keptF32 };
  } catch (error) {
    // If even the cleaning up fails, the first failure is the one to tell.
    await rm(part, { force: true }).catch(() => undefined);
    throw asDiskError(error, output);
  } finally {
    await checkpoint.close();
  }
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
