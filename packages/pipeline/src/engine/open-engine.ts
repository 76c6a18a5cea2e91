import {
  classifyAdapter,
  DeviceError,
  type Engine,
  type EngineKind,
  getEngine,
  type InitializeOptions,
  initialize,
  NoRuntimeError,
  releaseGpu,
  requestAdapter,
  shutdown,
} from '@samtrack/kernels';
import { SerialQueue } from '@samtrack/kernels/common';
import { initializeCpu, OnnxEngineError, type RuntimeOptions, shutdownCpu } from '@samtrack/onnx';
import { checkChoice, type EngineChoice, EngineError, engineOfEnvironment } from './choice.js';

/** What networks run on. */
export interface EngineOptions {
  /** Default: what the environment variable `SAMTRACK_ENGINE` says, else `auto`. */
  engine?: EngineChoice | undefined;
  /** Which GPU to use, where there are several, and how. */
  gpu?: Omit<InitializeOptions, 'handle' | 'holder'> | undefined;
  /** How the CPU computes. */
  cpu?: RuntimeOptions | undefined;
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

/** Who has which kind open. Networks run on tfjs's current backend, so that there is one kind at a time. */
const holders: Record<EngineKind, string[]> = { webgpu: [], cpu: [] };
/** Calls that open take turns, so that each knows what another has open. */
const opening = new SerialQueue();

/**
 * Opens an engine and makes it the current one; all of one kind share it. `auto` takes the one in use, else WebGPU on a GPU; where
 * there is only a software adapter, or none, it takes the CPU, which is much faster then, if ONNX Runtime is installed.
 * @param options As a program in JavaScript may give them.
 * @throws EngineError where there is no such engine, or the other one is in use; DeviceError where WebGPU was asked for, or is all
 * there could be, and does not work; OnnxEngineError `not-installed` where the CPU was asked for, `bad-option`, and `in-use` where
 * it has other options; RuntimeInUseError where the GPU has.
 */
export function openEngine(options: EngineOptions = {}, holder = 'samtrack'): Promise<OpenEngine> {
  return opening.run(async () => {
    const opened = await choose(options, holder);
    const others = holders[opened.kind];
    others.push(holder);
    let open = true;
    const close = () => {
      if (!open) return;
      open = false;
      others.splice(others.indexOf(holder), 1);
      opened.close();
    };
    return { ...opened, close };
  });
}

async function choose(options: EngineOptions, holder: string): Promise<OpenEngine> {
  const { engine, gpu, cpu } = options;
  const choice = engine === undefined ? (engineOfEnvironment() ?? 'auto') : checkChoice('engine', engine);
  // Who names an adapter, or a backend of Dawn, wants it.
  if (choice === 'webgpu' || (choice === 'auto' && gpu?.adapter !== undefined)) {
    return openWebgpu(gpu, holder, 'as asked for');
  }
  if (choice === 'cpu') return openCpu(cpu, holder, 'as asked for');
  const inUse = kindInUse();
  if (inUse === 'webgpu') return openWebgpu(gpu, holder, 'in use already');
  if (inUse === 'cpu') return openCpu(cpu, holder, 'in use already');
  let problem: DeviceError;
  try {
    const adapter = await requestAdapter(gpu);
    const { kind } = classifyAdapter(adapter.info, adapter.features, adapter.limits);
    const name = adapter.info.description || adapter.info.device || adapter.info.vendor;
    if (kind !== 'software') return await openWebgpu(gpu, holder, 'a GPU');
    try {
      const opened = await openCpu(cpu, holder, `the only WebGPU adapter, ${name}, is a software one`);
      releaseGpu();
      return opened;
    } catch (error) {
      if (!isNotInstalled(error)) throw error;
      return await openWebgpu(gpu, holder, 'a software adapter; the CPU engine is not installed');
    }
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    problem = error;
  }
  releaseGpu();
  try {
    return await openCpu(cpu, holder, 'there is no WebGPU adapter');
  } catch (error) {
    if (!isNotInstalled(error)) throw error;
    throw new DeviceError(problem.code, `${problem.message} ${error.message}`, { cause: error });
  }
}

const isNotInstalled = (error: unknown): error is OnnxEngineError =>
  error instanceof OnnxEngineError && error.code === 'not-installed';

/** The kind that is open here, or that the program made tfjs's current one. */
function kindInUse(): EngineKind | undefined {
  const held = (['webgpu', 'cpu'] as const).find((kind) => holders[kind].length > 0);
  if (held) return held;
  try {
    return getEngine().kind;
  } catch (error) {
    if (!(error instanceof NoRuntimeError)) throw error;
    return undefined;
  }
}

/** @throws EngineError */
function refuseBeside(other: EngineKind, kind: EngineKind, holder: string): void {
  if (holders[other].length === 0) return;
  throw new EngineError(
    `The engine ${other} is in use, by ${holders[other].join(', ')}, and there is one at a time: ${holder} can have ${kind} when ` +
      'that is disposed, or share it with `auto`.',
  );
}

async function openWebgpu(gpu: EngineOptions['gpu'], holder: string, why: string): Promise<OpenEngine> {
  refuseBeside('cpu', 'webgpu', holder);
  const runtime = await initialize({ ...gpu, holder });
  const engine = getEngine();
  return {
    kind: 'webgpu',
    engine,
    reason: `engine webgpu: ${engine.device} (${why})`,
    close: () => shutdown(runtime, holder),
  };
}

async function openCpu(cpu: EngineOptions['cpu'], holder: string, why: string): Promise<OpenEngine> {
  refuseBeside('webgpu', 'cpu', holder);
  const engine = await initializeCpu(cpu);
  const threads = `${engine.threads} thread${engine.threads === 1 ? '' : 's'}`;
  return {
    kind: 'cpu',
    engine,
    reason: `engine cpu: ${engine.device}, ${threads} (${why})`,
    close: () => void shutdownCpu(engine),
  };
}
