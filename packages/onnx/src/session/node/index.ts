import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { OnnxEngineError } from '../../error.js';
import {
  type BoundPort,
  type OnnxRuntime,
  type Port,
  type RuntimeOptions,
  type Session,
  type Weight,
  weightBytes,
} from '../session.js';
import { GraphCache } from './graph-cache.js';
import { indexWeights, keepWeights } from './kept-weights.js';

type Ort = typeof import('onnxruntime-node');
type Options = InferenceSession.SessionOptions;

/** Files of a compiled graph: the graph as ONNX Runtime optimised it, and its weights. */
const GRAPH = 'graph.onnx';
const WEIGHTS = 'graph.weights';

/** Loads ONNX Runtime for Node. @throws OnnxEngineError `not-installed` */
export async function loadRuntime(options: RuntimeOptions = {}): Promise<OnnxRuntime> {
  let ort: Ort;
  // Otherwise its telemetry keeps an identifier of the user and a log of what is run in the user's cache folder.
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
  try {
    const module = (await import('onnxruntime-node')) as Ort & { default?: Ort };
    ort = module.default ?? module;
  } catch (cause) {
    throw new OnnxEngineError(
      'not-installed',
      'The CPU engine needs the package "onnxruntime-node", which is not installed or has no build for this machine. ' +
        'Where its install script can download nothing, npm leaves it out unless ONNXRUNTIME_NODE_INSTALL is "skip".',
      { cause },
    );
  }
  return new NodeRuntime(ort, options);
}

class NodeRuntime implements OnnxRuntime {
  readonly name: string;
  readonly threads: number;
  readonly #cache: GraphCache | undefined;

  constructor(
    private readonly ort: Ort,
    { threads = availableParallelism(), cache }: RuntimeOptions,
  ) {
    this.name = `${cpus()[0]?.model.trim() || 'CPU'} (ONNX Runtime ${ort.env.versions.node ?? ort.env.versions.common})`;
    this.threads = threads;
    this.#cache = GraphCache.of(`${this.name} ${process.platform} ${process.arch} ${instructionSets()}`, cache);
  }

  bind({ type, shape, values }: Port): BoundPort {
    const { Tensor } = this.ort;
    return new (Tensor as new (type: string, values: unknown, shape: readonly number[]) => OrtTensor)(
      type,
      values,
      shape,
    );
  }

  async compile(model: Uint8Array, weights: readonly Weight[]): Promise<Session> {
    return new NodeSession((await this.#cached(model, weights)) ?? (await this.#create(model, weights)));
  }

  /**
   * The graph from the cache, where it is put if need be. ONNX Runtime maps its weights, which take no memory of the process then, and
   * nobody else needs them in memory.
   */
  async #cached(model: Uint8Array, weights: readonly Weight[]): Promise<InferenceSession | undefined> {
    const cache = this.#cache;
    if (!cache?.takes(weights)) return undefined;
    const key = cache.key(model, weights);
    const save = async (empty: string) => {
      const saving = {
        optimized_model_external_initializers_file_name: WEIGHTS,
        optimized_model_external_initializers_min_size_in_bytes: '1024',
      };
      const session = await this.#create(model, weights, { optimizedModelFilePath: join(empty, GRAPH) }, saving);
      await session.release();
      await indexWeights(empty, GRAPH, WEIGHTS, weights);
      if (!cache.unchanged(weights)) throw new Error('Weights were changed while they were written.');
    };
    // One that is whole and yet refused is made anew.
    for (let attempt = 0; attempt < 2; attempt++) {
      const folder = await cache.entry(key, save);
      if (!folder) return undefined;
      try {
        await keepWeights(folder, weights);
        return await this.#create(join(folder, GRAPH), [], { graphOptimizationLevel: 'disabled' });
      } catch {
        await cache.forget(key);
      }
    }
    return undefined;
  }

  #create(model: Uint8Array | string, weights: readonly Weight[], more: Options = {}, session = {}) {
    const options: Options = {
      executionProviders: ['cpu'],
      graphOptimizationLevel: 'all',
      intraOpNumThreads: this.threads,
      logSeverityLevel: 3,
      // Memory that is planned for later runs comes on top of the first one's, which are as fast without.
      enableMemPattern: false,
      externalData: weights.map(({ name, source, arrange }) => ({
        path: name,
        data: weightBytes(source.values, arrange),
      })),
      extra: {
        session: {
          // Matrices that are packed beforehand are copies of all weights of a transformer, and products no faster with them.
          disable_prepacking: '1',
          // Between frames its threads would go on spinning, and take the cores from whoever decodes and encodes video.
          intra_op: { allow_spinning: '0' },
          inter_op: { allow_spinning: '0' },
          ...session,
        },
      },
      ...more,
    };
    const { create } = this.ort.InferenceSession;
    return typeof model === 'string' ? create(model, options) : create(model, options);
  }
}

/** What the processor can do, as far as the system tells; optimised graphs depend on it. */
function instructionSets(): string {
  try {
    return /^(flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[2]?.trim() ?? '';
  } catch {
    return '';
  }
}

class NodeSession implements Session {
  constructor(private readonly session: InferenceSession) {}

  async run(inputs: Readonly<Record<string, BoundPort>>, outputs: Readonly<Record<string, BoundPort>>): Promise<void> {
    // Results are written where the outputs lie: nothing is copied.
    await this.session.run(inputs as Record<string, OrtTensor>, outputs as Record<string, OrtTensor>);
  }

  release(): Promise<void> {
    return this.session.release();
  }
}
