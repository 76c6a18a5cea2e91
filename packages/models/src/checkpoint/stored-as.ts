/** A checkpoint's tensors in another floating-point dtype, to be written. */
import { encodeF16 } from './half.js';
import type { StreamedSafetensorsEntry } from './safetensors.js';
import type { Checkpoint, DType, ReadOptions } from './types.js';

/** Options of `storedAs`. */
export interface StoredAsOptions extends ReadOptions {
  /** Called with tensors encoded so far and all tensors. */
  readonly onProgress?: ((tensors: number, total: number) => void) | undefined;
  /** Which matrices become float16; all by default. The others stay float32. */
  readonly halved?: ((key: string) => boolean) | undefined;
}

const FLOATS: readonly DType[] = ['f64', 'f32', 'f16', 'bf16'];
const LARGEST_F16 = 65504;

/**
 * The tensors of a checkpoint for `streamSafetensors`, floating-point ones as `dtype`, integers and booleans as they are. Vectors (biases, norms,
 * statistics) become no float16 that they are not yet: they take a hundredth of the room, and half of the error of float16 would be theirs. One tensor at a time is in
 * memory; the checkpoint must stay open until all were taken.
 * @returns the entries, what is to be said of them, and the keys of matrices kept in float32 although float16 was asked for: their largest value would have become infinite
 * @throws CheckpointError
 */
export async function storedAs(
  checkpoint: Checkpoint,
  dtype: 'f32' | 'f16',
  { signal, onProgress, halved = () => true }: StoredAsOptions = {},
): Promise<{ entries: StreamedSafetensorsEntry[]; keptF32: string[]; metadata: Record<string, string> }> {
  const keptF32: string[] = [];
  const entries: StreamedSafetensorsEntry[] = [];
  let done = 0;
  for (const key of checkpoint.keys) {
    const { dtype: stored, shape } = checkpoint.info(key);
    const isNarrow = stored === 'f16' || (shape.length > 1 && halved(key));
    let target: DType = !FLOATS.includes(stored) ? stored : isNarrow ? dtype : 'f32';
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
  // What a file says of its weights stays with them; PyTorch's says nothing.
  const stated = checkpoint.format.startsWith('pytorch') ? {} : checkpoint.metadata;
  return { entries, keptF32, metadata: { ...stated, format: 'pt', dtype } };
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
