import {
  classifyAdapter,
  DeviceError,
  type Engine,
  type EngineKind,
  getEngine,
  type InitializeOptions,
  initialize,
  releaseGpu,
  requestAdapter,
  shutdown,
} from '@samtrack/kernels';
import { initializeCpu, OnnxEngineError, type RuntimeOptions, shutdownCpu } from '@samtrack/onnx';
import { type EngineChoice, engineOfEnvironment } from './choice.js';

/** What networks run on. */
export interface EngineOptions {
  /** Default: what the environment variable `SAMTRACK_ENGINE` says, else `auto`. */
  engine?: EngineChoice;
  /** Which GPU to use, where there are several, and how. */
  gpu?: Omit<InitializeOptions, 'handle' | 'holder'>;
  /** How the CPU computes. */
  cpu?: RuntimeOptions;
}

/** An engine that is open, and why it is this one. */
export interface OpenEngine {
  readonly kind: EngineKind;
  readonly engine: Engine;
  /** A line for people: which engine, and which reason. */
  readonly reason: string;
  /** Frees it. */
  close(): void;
}

/**
 * Opens an engine and makes it the current one. `auto` takes WebGPU on a GPU; where there is only a software adapter, or none,
 * it takes the CPU, which is much faster then, if ONNX Runtime is installed.
 * @throws DeviceError where WebGPU was asked for, or is all there could be, and does not work; OnnxEngineError `not-installed`
 * where the CPU was asked for.
 */
export async function openEngine(options: EngineOptions = {}, holder = 'samtrack'): Promise<OpenEngine> {
  const choice = options.engine ?? engineOfEnvironment() ?? 'auto';
  if (choice === 'webgpu') return openWebgpu(options.gpu, holder, 'as asked for');
  if (choice === 'cpu') return openCpu(options.cpu, 'as asked for');
  // Who names an adapter, or a backend of Dawn, wants it.
  if (options.gpu?.adapter !== undefined) return openWebgpu(options.gpu, holder, 'as asked for');
  let problem: DeviceError;
  try {
    const adapter = await requestAdapter(options.gpu);
    const { kind } = classifyAdapter(adapter.info, adapter.features, adapter.limits);
    const name = adapter.info.description || adapter.info.device || adapter.info.vendor;
    if (kind !== 'software') return await openWebgpu(options.gpu, holder, 'a GPU');
    try {
      const opened = await openCpu(options.cpu, `the only WebGPU adapter, ${name}, is a software one`);
      releaseGpu();
      return opened;
    } catch (error) {
      if (!(error instanceof OnnxEngineError)) throw error;
      return await openWebgpu(options.gpu, holder, 'a software adapter; the CPU engine is not installed');
    }
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    problem = error;
  }
  releaseGpu();
  try {
    return await openCpu(options.cpu, 'there is no WebGPU adapter');
  } catch (error) {
    if (!(error instanceof OnnxEngineError)) throw error;
    throw new DeviceError(problem.code, `${problem.message} ${error.message}`, { cause: error });
  }
}

async function openWebgpu(gpu: EngineOptions['gpu'], holder: string, why: string): Promise<OpenEngine> {
  const runtime = await initialize({ ...gpu, holder });
  const engine = getEngine();
  return {
    kind: 'webgpu',
    engine,
    reason: `engine webgpu: ${engine.device} (${why})`,
    close: () => shutdown(runtime, holder),
  };
}

async function openCpu(cpu: EngineOptions['cpu'], why: string): Promise<OpenEngine> {
  const engine = await initializeCpu(cpu);
  const threads = `${engine.threads} thread${engine.threads === 1 ? '' : 's'}`;
  return {
    kind: 'cpu',
    engine,
    reason: `engine cpu: ${engine.device}, ${threads} (${why})`,
    close: () => void shutdownCpu(engine),
  };
}
