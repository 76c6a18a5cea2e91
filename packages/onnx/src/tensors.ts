import type { BufferPool } from './buffer-pool.js';

export type Values = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/**
 * How the contents of a tensor lie in memory. ONNX convolutions want images as [1, C, H, W]; everything else is kept as
 * the kernels have it, channels last.
 */
export interface Layout {
  readonly layout: 'rows' | 'image';
  /** In ONNX. */
  readonly shape: readonly number[];
}

/** What is known of a tensor's data, which reshaped tensors share. */
export interface TensorData extends Layout {
  /** Tells data apart; in the order of their making. */
  readonly id: number;
  readonly dtype: 'float32' | 'int32';
  /** Missing while it is the result of recorded work. */
  values?: Values;
  layout: 'rows' | 'image';
  shape: readonly number[];
  /** Whether it was made from values, which never change: such as weights. */
  readonly constant: boolean;
  /** Where the memory goes back to. */
  pool?: BufferPool;
  refs: number;
}

/** Data made from values: in memory, until they are kept elsewhere, from where they are read when they are asked for. */
export class ConstantData implements TensorData {
  readonly constant = true;
  readonly dtype: 'float32' | 'int32';
  readonly byteLength: number;
  layout: 'rows' | 'image' = 'rows';
  refs = 1;
  #values: Values | undefined;
  #read: (() => Values['buffer']) | undefined;

  constructor(
    readonly id: number,
    values: Values,
    public shape: readonly number[],
  ) {
    this.#values = values;
    this.byteLength = values.byteLength;
    this.dtype = values instanceof Int32Array ? 'int32' : 'float32';
  }

  get values(): Values {
    if (this.#values) return this.#values;
    const bytes = this.#read!();
    return this.dtype === 'int32' ? new Int32Array(bytes) : new Float32Array(bytes);
  }

  /** Whether they take memory. */
  get inMemory(): boolean {
    return this.#values !== undefined;
  }

  /** Lets go of the memory. @param read Gives the bytes, the same each time. */
  keepElsewhere(read: () => ArrayBuffer): void {
    this.#values = undefined;
    this.#read = read;
  }
}

/** The contents channels last, in the order of the tensor's own shape; the contents themselves where they lie like that. */
export function rowsOf(values: Values, { layout, shape }: Layout, size: number): Values {
  if (layout === 'rows') return values;
  const [batch, channels, height, width] = shape as [number, number, number, number];
  const pixels = height * width;
  const stride = size / (batch * pixels);
  // The kernels pad images of three channels to four.
  const out = values instanceof Int32Array ? new Int32Array(size) : new Float32Array(size);
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      const source = (n * channels + c) * pixels;
      for (let i = 0; i < pixels; i++) out[(n * pixels + i) * stride + c] = values[source + i]!;
    }
  }
  return out;
}
