import type { Values } from '../tensors.js';

/** Options of ONNX Runtime. */
export interface RuntimeOptions {
  /** Threads that compute; the number of the processor's cores by default. Results depend on it as far as rounding does. */
  threads?: number;
  /** In browsers: where ONNX Runtime's WebAssembly files are; beside its module by default. */
  wasmPaths?: string;
}

/** A tensor of a graph: its element type, its shape and the memory it lies in, which is used as it is. */
export interface Port {
  readonly type: 'float32' | 'int32' | 'int64';
  readonly shape: readonly number[];
  readonly values: Values | BigInt64Array;
}

/** A port as the runtime knows it. */
export type BoundPort = object;

/** A compiled graph. */
export interface Session {
  /** Runs it once; results are written to the memory of `outputs`. */
  run(inputs: Readonly<Record<string, BoundPort>>, outputs: Readonly<Record<string, BoundPort>>): Promise<void>;
  release(): Promise<void>;
}

/** ONNX Runtime as this engine needs it; Node and browsers have different ones. */
export interface OnnxRuntime {
  /** Its version, and what it computes with. */
  readonly name: string;
  readonly threads: number;
  bind(port: Port): BoundPort;
  /** @param weights Values of the graph's external constants, by location. They are not needed afterwards. */
  compile(model: Uint8Array, weights: ReadonlyMap<string, Uint8Array>): Promise<Session>;
}
