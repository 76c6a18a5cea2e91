import { OnnxEngineError } from '../error.js';
import type { ConstantData, Values } from '../tensors.js';

/** Options of ONNX Runtime. */
export interface RuntimeOptions {
  /** Threads that compute; the number of the processor's cores by default. Results depend on it as far as rounding does. */
  threads?: number | undefined;
  /** In browsers: where ONNX Runtime's WebAssembly files are; beside its module by default. */
  wasmPaths?: string | undefined;
  /**
   * In Node: where compiled graphs are kept for the next process, or `false` for nowhere. By default what the environment variable
   * `SAMTRACK_GRAPH_CACHE` says, a folder or `off`, else `samtrack/graphs` in the user's cache folder.
   */
  cache?: GraphCacheOptions | false | undefined;
}

/** A folder of compiled graphs. */
export interface GraphCacheOptions {
  folder?: string | undefined;
  /** The longest unused graphs go when all together are larger, in 10^6 bytes. Default 2000. */
  limitMB?: number | undefined;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isText = (value: unknown) => typeof value === 'string' && value !== '';

/** @throws OnnxEngineError `bad-option`, which names the option */
export function checkOptions(options: RuntimeOptions): void {
  const check = (name: string, value: unknown, fits: boolean, wanted: string) => {
    if (value === undefined || fits) return;
    const given = typeof value === 'number' ? String(value) : JSON.stringify(value);
    throw new OnnxEngineError('bad-option', `\`${name}\` of the CPU engine is ${wanted}, not ${given}.`);
  };
  check('options', options, isObject(options), 'an object');
  const { threads, wasmPaths, cache, ...others } = options;
  const [unknown] = Object.keys(others);
  check('options', unknown, false, 'of `threads`, `wasmPaths` and `cache`');
  check('threads', threads, Number.isInteger(threads) && threads! >= 1, 'a number of threads, at least 1');
  check('wasmPaths', wasmPaths, isText(wasmPaths), 'a URL');
  check('cache', cache, cache === false || isObject(cache), '`{ folder, limitMB }` or `false`');
  if (!cache) return;
  check('cache.folder', cache.folder, isText(cache.folder), 'a path');
  check('cache.limitMB', cache.limitMB, cache.limitMB! >= 0, 'a size in MB');
}

/** A constant of a graph that lies outside of it. */
export interface Weight {
  /** Of the constant, and the location that the graph has for it. */
  readonly name: string;
  /** What has its values, and need not have them in memory. */
  readonly source: ConstantData;
  /** From the order of the source's values to the constant's. */
  readonly arrange?: (values: Float32Array) => Float32Array;
}

/** What values are in the graph. */
export function weightBytes(values: Values, arrange?: Weight['arrange']): Uint8Array {
  const { buffer, byteOffset, byteLength } = arrange ? arrange(values as Float32Array) : values;
  return new Uint8Array(buffer, byteOffset, byteLength);
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
  /** @param weights The graph's external constants. Where the runtime keeps their values for good, these leave the memory. */
  compile(model: Uint8Array, weights: readonly Weight[]): Promise<Session>;
}
