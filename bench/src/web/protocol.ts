import type { BenchmarkResult } from '../contest.js';
import type { JobRequest } from '../jobs.js';
import type { MeasureOptions } from '../measure.js';
import type { ModelResult } from '../model.js';

/** What Node asks the page to open WebGPU with. */
export interface OpenRequest {
  /** Folder of onnxruntime-web on the page's server; missing where it is not installed. */
  readonly ort?: string;
}

/** What the page found. */
export interface Opened {
  /** As the browser describes it, with its class. */
  readonly adapter: Readonly<Record<string, unknown>>;
  readonly kind: string;
  /** Threads that ONNX Runtime may use in WebAssembly. */
  readonly threads: number;
}

/** A benchmark to run, by its name among those of the request. */
export interface RunRequest {
  readonly name: string;
  readonly jobs: JobRequest;
  readonly options: MeasureOptions;
}

export interface RunAnswer {
  readonly result: BenchmarkResult | ModelResult;
  /** Runners that could not run, and why. */
  readonly notes: readonly string[];
}

/** What a function of the page returns: errors keep their names on the way to Node. */
export type Reply<T> =
  | { readonly value: T }
  | { readonly error: { readonly name: string; readonly message: string; readonly code?: string } };

/** Makes a reply of some work. */
export async function replyWith<T>(work: () => Promise<T>): Promise<Reply<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    const { name, message, code } = error as Error & { code?: string };
    return { error: { name, message, code } };
  }
}

/** An error of the page that has no type of its own in Node. */
export class PageError extends Error {
  constructor(
    override readonly name: string,
    message: string,
    /** Of a `DeviceError`. */
    readonly code?: string,
  ) {
    super(message);
  }
}

/** The value of a reply. @throws PageError, or one of `types` that has the name of the page's error */
export function unwrap<T>(reply: Reply<T>, ...types: readonly (new (message: string) => Error)[]): T {
  if ('value' in reply) return reply.value;
  const { name, message, code } = reply.error;
  const type = types.find((t) => t.name === name);
  throw type ? new type(message) : new PageError(name, message, code);
}
