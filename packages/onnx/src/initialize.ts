import { registerEngine } from '@samtrack/kernels';
import { SerialQueue } from '@samtrack/kernels/common';
import {
  findBackend,
  findBackendFactory,
  ready,
  registerBackend,
  removeBackend,
  setBackend,
} from '@tensorflow/tfjs-core';
import { loadRuntime } from '#platform';
import { OnnxBackend } from './backend.js';
import { OnnxEngine } from './engine.js';
import { OnnxEngineError } from './error.js';
import { checkOptions, type RuntimeOptions } from './session/session.js';
import { registerKernels } from './tfjs-kernels.js';

/** Name of the engine's tfjs backend. */
const BACKEND = 'samtrack-cpu';

/** An engine that is open, and how often. */
interface Opened {
  readonly engine: OnnxEngine;
  readonly backend: OnnxBackend;
  readonly options: RuntimeOptions;
  holders: number;
}

let current: Opened | undefined;
/** Every engine that is held, those that failed included. */
const held = new Map<OnnxEngine, Opened>();
/** Calls that open take turns, so that two at the same time share what one opens. */
const opening = new SerialQueue();

/**
 * Loads ONNX Runtime and makes it the current engine. There is one at a time, and all share it: a further call returns the same
 * engine, and each call wants a `shutdownCpu` of its own. After a failure of ONNX Runtime, the next call opens another one.
 * @throws OnnxEngineError `not-installed` where ONNX Runtime is missing, `bad-option`, `in-use` when the open engine is not what
 *   the options ask for.
 */
export function initializeCpu(options: RuntimeOptions = {}): Promise<OnnxEngine> {
  return opening.run(async () => {
    checkOptions(options);
    if (current && !current.engine.failed) {
      checkSame(current, options);
      await setBackend(BACKEND);
      current.holders++;
      return current.engine;
    }
    const engine = new OnnxEngine(await loadRuntime(options));
    const backend = new OnnxBackend(engine);
    if (findBackendFactory(BACKEND)) removeBackend(BACKEND);
    registerBackend(BACKEND, () => backend, 2);
    registerKernels(BACKEND);
    await setBackend(BACKEND);
    await ready();
    registerEngine(backend, engine, engine.frameOps);
    current = { engine, backend, options, holders: 1 };
    held.set(engine, current);
    return engine;
  });
}

/** What is left out may be anything. @throws OnnxEngineError `in-use` */
function checkSame({ engine, options }: Opened, wanted: RuntimeOptions): void {
  const has: RuntimeOptions = { ...options, threads: engine.threads };
  for (const name of ['threads', 'wasmPaths', 'cache'] as const) {
    const [asked, is] = [wanted[name], has[name]].map((value) => JSON.stringify(value));
    if (asked === undefined || asked === is) continue;
    throw new OnnxEngineError(
      'in-use',
      `The CPU engine is in use, with \`${name}\` ${is ?? 'not set'}, and cannot have ${asked} before it is shut down.`,
    );
  }
}

/**
 * Says that one who called `initializeCpu` is done. With the last one the engine's backend is removed and its graphs are released.
 * Harmless when done already.
 */
export async function shutdownCpu(engine: OnnxEngine): Promise<void> {
  const opened = held.get(engine);
  if (!opened || --opened.holders > 0) return;
  held.delete(engine);
  if (current === opened) current = undefined;
  // A later `initializeCpu` may have put another engine in its place.
  if (findBackend(BACKEND) === opened.backend) removeBackend(BACKEND);
  await engine.close();
}
