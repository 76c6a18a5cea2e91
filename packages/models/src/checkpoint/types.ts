/** Element types a checkpoint can store. */
export type DType =
  | 'f64'
  | 'f32'
  | 'f16'
  | 'bf16'
  | 'i64'
  | 'i32'
  | 'i16'
  | 'i8'
  | 'u64'
  | 'u32'
  | 'u16'
  | 'u8'
  | 'bool';

/** Bytes per element. */
export const BYTES_PER_ELEMENT: Readonly<Record<DType, number>> = {
  f64: 8,
  f32: 4,
  f16: 2,
  bf16: 2,
  i64: 8,
  i32: 4,
  i16: 2,
  i8: 1,
  u64: 8,
  u32: 4,
  u16: 2,
  u8: 1,
  bool: 1,
};

/** How far a checkpoint is read. */
export interface LoadProgress {
  /** Bytes that have arrived: from the network for a URL, else from the disk or the memory. */
  readonly bytes: number;
  /** Bytes of the whole file; not before they are known of a URL. */
  readonly total: number | undefined;
}

/** How to read from a path or URL. */
export interface LocationOptions extends ReadOptions {
  /** Called as bytes arrive from the network. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /**
   * Browsers: keep the whole file in the origin's Cache Storage, and take it from there when the server still has the same. It
   * changes nothing in Node, where `samtrack weights pull` keeps files.
   */
  readonly cache?: boolean | undefined;
}

/** A tensor's description, known without reading its values. */
export interface TensorInfo {
  readonly key: string;
  /** As stored. */
  readonly dtype: DType;
  /** PyTorch order (convolution `[out, in / groups, kh, kw]`, linear `[out, in]`); `[]` for a scalar. */
  readonly shape: readonly number[];
  /** Bytes of the contiguous tensor in its own dtype. */
  readonly byteLength: number;
}

/** A tensor converted to float32. */
export interface FloatTensor {
  /** As stored, before conversion. */
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Contiguous, C order, one value per element. Owned by the caller. */
  readonly data: Float32Array<ArrayBuffer>;
}

/** A tensor in its stored dtype. */
export interface RawTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Contiguous, C order, little-endian. Owned by the caller. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Options of `Checkpoint.read`. */
export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * An open checkpoint: names and shapes are known, values are read on demand, one tensor at a time.
 * Keys are state-dict keys; `openCheckpoint` has removed what wrappers put before them (`module.`, `_orig_mod.`, `model.`).
 * Every method that fails throws `CheckpointError`, or the signal's reason when aborted.
 */
export interface Checkpoint {
  readonly format: 'safetensors' | 'pytorch-zip' | 'pytorch-legacy' | 'procedural';
  /** File name or URL, for messages. */
  readonly file: string;
  /** In file order. */
  readonly keys: readonly string[];
  /** Safetensors: its `__metadata__`. PyTorch: where the weights were found (`container`) and what was skipped (`skipped`). */
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether there is such a tensor. */
  has(key: string): boolean;
  /** @throws CheckpointError `missing-key` */
  info(key: string): TensorInfo;
  /** Values as float32. 64-bit integers and floats are rounded to the nearest float32. @throws CheckpointError */
  read(key: string, options?: ReadOptions): Promise<FloatTensor>;
  /** Values as stored. @throws CheckpointError */
  readRaw(key: string, options?: ReadOptions): Promise<RawTensor>;
  /** Closes the file. Idempotent. */
  close(): Promise<void>;
}
