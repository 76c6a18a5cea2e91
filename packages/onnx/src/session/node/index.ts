import { availableParallelism, cpus } from 'node:os';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { OnnxEngineError } from '../../error.js';
import type { BoundPort, OnnxRuntime, Port, RuntimeOptions, Session } from '../session.js';

type Ort = typeof import('onnxruntime-node');

/** Loads ONNX Runtime for Node. @throws OnnxEngineError `not-installed` */
export async function loadRuntime({ threads = availableParallelism() }: RuntimeOptions = {}): Promise<OnnxRuntime> {
  let ort: Ort;
  try {
    const module = (await import('onnxruntime-node')) as Ort & { default?: Ort };
    ort = module.default ?? module;
  } catch (cause) {
    throw new OnnxEngineError(
      'not-installed',
      'The CPU engine needs the package "onnxruntime-node", which is not installed or has no build for this machine.',
      { cause },
    );
  }
  return {
    name: `${cpus()[0]?.model.trim() || 'CPU'} (ONNX Runtime ${ort.env.versions.node ?? ort.env.versions.common})`,
    threads,
    bind: ({ type, shape, values }: Port) =>
      new (ort.Tensor as new (type: string, values: unknown, shape: readonly number[]) => OrtTensor)(
        type,
        values,
        shape,
      ),
    compile: async (model, weights) =>
      new NodeSession(await ort.InferenceSession.create(model, options(threads, weights))),
  };
}

const options = (threads: number, weights: ReadonlyMap<string, Uint8Array>): InferenceSession.SessionOptions => ({
  executionProviders: ['cpu'],
  graphOptimizationLevel: 'all',
  intraOpNumThreads: threads,
  logSeverityLevel: 3,
  externalData: [...weights].map(([path, data]) => ({ path, data })),
  // Between frames its threads would go on spinning, and take the cores from whoever decodes and encodes video.
  extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
});

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
