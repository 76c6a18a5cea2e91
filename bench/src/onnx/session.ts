import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';

type Ort = typeof import('onnxruntime-node');

/** Where ONNX Runtime computes; in browsers the CPU's provider is `wasm`. */
export type OrtProvider = 'webgpu' | 'cpu' | 'wasm';

/** ONNX Runtime, or nothing where the optional package is not installed or has no build for this machine. */
export async function loadOnnxRuntime(): Promise<OnnxRuntime | undefined> {
  try {
    const module = (await import('onnxruntime-node')) as Ort & { default?: Ort };
    return new OnnxRuntime(module.default ?? module);
  } catch {
    return undefined;
  }
}

/** A graph as ONNX Runtime takes it. */
export interface OnnxModel {
  /** A traced graph, or the file of an exported one. */
  readonly model: Uint8Array | string;
  /** Constants of a traced graph, by the locations that it has for them. */
  readonly weights?: readonly { readonly path: string; readonly data: Uint8Array }[];
}

/** Plain data, as the graph wants it. */
export interface OrtInput {
  /** 64-bit integers make an int64 tensor. */
  readonly values: Float32Array | BigInt64Array;
  readonly shape: readonly number[];
}

export class OnnxRuntime {
  constructor(private readonly ort: Ort) {}

  /**
   * Compiles a model for a provider, with all of ONNX Runtime's graph optimisations. Operators that the WebGPU provider
   * lacks run on the CPU, which is ONNX Runtime's own rule.
   * @param onnx The bytes of a model with its constants, or the name of its file, which may have another one with weights beside it.
   */
  async session(
    { model, weights = [] }: OnnxModel,
    provider: OrtProvider,
    inputs: Readonly<Record<string, OrtInput>>,
  ): Promise<OrtSession> {
    const options: InferenceSession.SessionOptions = {
      executionProviders: [provider],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      externalData: weights,
      // Its threads would go on spinning after a run, and take the CPU from whoever is measured next.
      extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
    };
    const { create } = this.ort.InferenceSession;
    const session = await (typeof model === 'string' ? create(model, options) : create(model, options));
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, { values, shape }]) => [
        name,
        values instanceof Float32Array
          ? new this.ort.Tensor('float32', values, shape)
          : new this.ort.Tensor('int64', values, shape),
      ]),
    );
    return new OrtSession(session, feeds);
  }
}

/** A compiled model with its inputs. */
export class OrtSession {
  constructor(
    private readonly session: InferenceSession,
    private readonly feeds: Record<string, OrtTensor>,
  ) {}

  /** Runs once; inputs are uploaded and outputs downloaded, as `InferenceSession.run` does. */
  async run(): Promise<Record<string, Float32Array>> {
    const results = await this.session.run(this.feeds);
    return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, tensor.data as Float32Array]));
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}
