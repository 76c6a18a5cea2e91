import type { Tensor } from '@tensorflow/tfjs-core';
import { normalisedError } from '../common/index.js';
import { DeviceLostError } from '../dispatch/health.js';
import type { Runtime } from '../dispatch/runtime.js';
import type { TimedKernel } from './clock.js';
import { Scratch, tensorsOf } from './scratch.js';
import { type ObservedCall, tuningOf } from './tuning.js';

/** A call that can be repeated. */
export interface RepeatableCall {
  readonly op: ObservedCall['op'];
  /** Of `withoutTensors`. */
  readonly args: readonly unknown[];
}

/** Normalised squared error between two kernels that are right: float32 sums in another order. Float16 is far above. */
const ERROR_LIMIT = 1e-11;

/** Runs a call with one kernel or another on arguments of its own, which are random. */
export class Trial {
  readonly #scratch: Scratch;
  /** Results of the kernel that the others are compared with. */
  #reference: Float32Array[] = [];
  /** Sizes of the results that are new tensors. */
  #newSizes: number[] = [];

  constructor(
    private readonly runtime: Runtime,
    private readonly call: RepeatableCall,
  ) {
    this.#scratch = new Scratch(runtime, call.args);
  }

  /**
   * Takes a kernel's results for right.
   * @throws what the operation throws
   */
  async refer(variant: string): Promise<void> {
    this.#reference = await this.#compute(variant);
  }

  /**
   * Runs a kernel and compares its results.
   * @returns Why it is of no use, if so.
   * @throws DeviceLostError
   */
  async reject(variant: string): Promise<string | undefined> {
    let results: Float32Array[];
    try {
      results = await this.#compute(variant);
    } catch (error) {
      if (error instanceof DeviceLostError) throw error;
      return (error as Error).message;
    }
    const errors = results.map((values, i) => normalisedError(values, this.#reference[i] ?? new Float32Array()));
    const worst = Math.max(0, ...errors);
    return worst <= ERROR_LIMIT && results.length === this.#reference.length
      ? undefined
      : `its results differ, normalised squared error ${worst.toExponential(1)}`;
  }

  /** A kernel to be timed. */
  kernel(variant: string): TimedKernel {
    return {
      variant,
      run: () => {
        for (const tensor of this.#newTensors(this.#launch(variant))) tensor.dispose();
      },
    };
  }

  dispose(): void {
    this.#scratch.dispose();
    this.runtime.trim();
  }

  #launch(variant: string): Tensor[] {
    const { op } = this.call;
    const run = () => op(...(this.#scratch.args as never[]));
    return tensorsOf(tuningOf(this.runtime).force(op.name, variant, run));
  }

  #newTensors(results: readonly Tensor[]): Tensor[] {
    return results.filter((tensor) => !this.#scratch.owns(tensor));
  }

  async #compute(variant: string): Promise<Float32Array[]> {
    const { runtime } = this;
    this.#scratch.reset();
    // A kernel that forgets to write must not find another's results in the buffers that it gets.
    const poisoned = this.#newSizes.map((size) => runtime.allocate([size]));
    for (const tensor of poisoned) runtime.write(tensor, new Float32Array(tensor.size).fill(Number.NaN));
    for (const tensor of poisoned) tensor.dispose();
    // The commands before are none of the kernel's.
    runtime.flush();
    const results = await guarded(runtime, () => this.#launch(variant));
    const values: Float32Array[] = [];
    for (const tensor of results) values.push(new Float32Array(await runtime.read(tensor)));
    const created = this.#newTensors(results);
    this.#newSizes = created.map(({ size }) => size);
    for (const tensor of created) tensor.dispose();
    return values;
  }
}

const ERRORS = ['validation', 'out-of-memory', 'internal'] as const;

/** Does something whose errors on the GPU are its own, not the runtime's. @throws the first of them */
async function guarded<T>(runtime: Runtime, work: () => T): Promise<T> {
  const { device } = runtime;
  for (const filter of ERRORS) device.pushErrorScope(filter);
  let errors: Promise<GPUError | null>[];
  let result: T;
  try {
    result = work();
    runtime.flush();
  } finally {
    errors = ERRORS.map(() => device.popErrorScope());
  }
  const error = (await Promise.all(errors)).find((found) => found !== null);
  if (error) throw new Error(error.message.split('\n')[0]);
  return result;
}
