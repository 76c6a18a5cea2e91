import { dispose } from '@tensorflow/tfjs-core';
import type { Work } from '../dispatch/chooser.js';
import type { Runtime } from '../dispatch/runtime.js';
import { wallTime } from './clock.js';
import { tuningOf } from './tuning.js';

/** What an adapter can do at most, as far as is known. */
export interface Ceilings {
  /** Arithmetic of matrix products. */
  readonly flopsPerSecond: number;
  /** The same on matrix units, with operands rounded to float16; missing where there are none. */
  readonly float16FlopsPerSecond?: number;
  /** Bytes read and written by copies. */
  readonly bytesPerSecond: number;
}

const COPY_BYTES = 64 * 2 ** 20;
const SAMPLES = 3;
const SAMPLE_MS = 20;
const MAX_REPEATS = 40;

const measured = new WeakMap<Runtime, Ceilings>();

/**
 * Measures large matrix products and a large copy, once on each device.
 * @param size Side of the matrices: large enough to fill the machine, small enough for a CPU.
 */
export async function measureCeilings(
  runtime: Runtime,
  size = runtime.adapterClass.kind === 'software' ? 1024 : 4096,
): Promise<Ceilings> {
  const known = measured.get(runtime) ?? (await measure(runtime, size));
  measured.set(runtime, known);
  return known;
}

async function measure(runtime: Runtime, size: number): Promise<Ceilings> {
  const { float32, float16 } = tuningOf(runtime).products;
  const [a, b] = [runtime.allocate([size, size]), runtime.allocate([size, size])];
  const [source, target] = [runtime.allocate([COPY_BYTES / 4]), runtime.allocate([COPY_BYTES / 4])];
  const rate = async (work: number, run: () => void) => work / ((await bestTime(runtime, run)) / 1000);
  const flops = 2 * size ** 3;
  try {
    return {
      flopsPerSecond: await rate(flops, () => float32(a, b).dispose()),
      ...(float16 && { float16FlopsPerSecond: await rate(flops, () => float16(a, b).dispose()) }),
      bytesPerSecond: await rate(2 * COPY_BYTES, () => runtime.copy(source, target)),
    };
  } finally {
    dispose([a, b, source, target]);
    runtime.trim();
  }
}

async function bestTime(runtime: Runtime, run: () => void): Promise<number> {
  // The first one compiles.
  await wallTime(runtime, run, 1);
  const once = await wallTime(runtime, run, 1);
  const repeats = Math.min(MAX_REPEATS, Math.max(1, Math.ceil(SAMPLE_MS / once)));
  let best = once;
  for (let i = 0; i < SAMPLES; i++) best = Math.min(best, await wallTime(runtime, run, repeats));
  return best;
}

/** How much of the ceiling that limits some work it reaches, 0..1: the roofline of Williams et al. (2009). */
export function shareOfCeiling({ flops, bytes }: Work, milliseconds: number, ceilings: Ceilings): number {
  const least = Math.max(flops / ceilings.flopsPerSecond, bytes / ceilings.bytesPerSecond);
  return Math.min(1, (1000 * least) / milliseconds);
}
