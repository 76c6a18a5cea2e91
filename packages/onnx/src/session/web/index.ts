import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-web';
import { OnnxEngineError } from '../../error.js';
import { OnnxGraph } from '../../graph/graph.js';
import {
  type BoundPort,
  type OnnxRuntime,
  type Port,
  type RuntimeOptions,
  type Session,
  weightBytes,
} from '../session.js';

type Ort = typeof import('onnxruntime-web/wasm');

/** Threads of WebAssembly share memory, which browsers allow to pages that are isolated from other origins. */
const defaultThreads = () => (globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1);

/** Loads ONNX Runtime for browsers. @throws OnnxEngineError `not-installed` */
export async function loadRuntime({
  threads = defaultThreads(),
  wasmPaths,
}: RuntimeOptions = {}): Promise<OnnxRuntime> {
  let ort: Ort;
  try {
    ort = await import('onnxruntime-web/wasm');
  } catch (cause) {
    throw new OnnxEngineError(
      'not-installed',
      'The CPU engine needs the package "onnxruntime-web", which does not load.',
      {
        cause,
      },
    );
  }
  ort.env.wasm.numThreads = threads;
  if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths;
  await startWebAssembly(ort, wasmPaths);
  return {
    name: `CPU (ONNX Runtime ${ort.env.versions.web ?? ort.env.versions.common}, WebAssembly)`,
    threads,
    bind: (port) => ({ port, tensor: tensorOf(ort, port) }),
    compile: async (model, weights) =>
      new WebSession(
        await ort.InferenceSession.create(model, {
          executionProviders: ['wasm'],
          graphOptimizationLevel: 'all',
          logSeverityLevel: 3,
          externalData: weights.map(({ name, source, arrange }) => ({
            path: name,
            data: weightBytes(source.values, arrange),
          })),
        }),
      ),
  };
}

/** Loads the files of WebAssembly now, by a graph that does nothing, so that who has not got them may take another engine. */
async function startWebAssembly(ort: Ort, wasmPaths = 'where its module is'): Promise<void> {
  const graph = new OnnxGraph();
  graph.output(graph.node('Identity', [graph.input('x', [1])]), [1]);
  try {
    const session = await ort.InferenceSession.create(graph.finish().model, { executionProviders: ['wasm'] });
    await session.release();
  } catch (cause) {
    throw new OnnxEngineError(
      'not-installed',
      `ONNX Runtime's files ort-wasm-simd-threaded.mjs and .wasm do not load from ${wasmPaths}: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/** What a graph reads or writes, and where it lies: WebAssembly has memory of its own, which results are copied from. */
interface WebPort {
  readonly port: Port;
  readonly tensor: OrtTensor;
}

const tensorOf = (ort: Ort, { type, shape, values }: Port): OrtTensor =>
  new (ort.Tensor as new (type: string, values: unknown, shape: readonly number[]) => OrtTensor)(type, values, shape);

class WebSession implements Session {
  constructor(private readonly session: InferenceSession) {}

  async run(inputs: Readonly<Record<string, BoundPort>>, outputs: Readonly<Record<string, BoundPort>>): Promise<void> {
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, port]) => [name, (port as WebPort).tensor]));
    const results = await this.session.run(feeds);
    for (const [name, port] of Object.entries(outputs)) {
      (port as WebPort).port.values.set(results[name]!.data as never);
    }
  }

  release(): Promise<void> {
    return this.session.release();
  }
}
