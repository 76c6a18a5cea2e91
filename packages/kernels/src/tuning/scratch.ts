import { Tensor, type TensorContainer, tensor_util } from '@tensorflow/tfjs-core';
import { xorshift32 } from '../common/index.js';
import type { Runtime } from '../dispatch/runtime.js';
import { asFloat16 } from '../op/float16.js';

/** A tensor of which only shape and type matter. */
class TensorSpec {
  constructor(
    readonly shape: readonly number[],
    readonly dtype: 'float32' | 'int32',
  ) {}

  get size(): number {
    return this.shape.reduce((a, b) => a * b, 1);
  }
}

/** Arguments of a call without the tensors themselves, so that none is kept alive. Equal tensors stay equal. */
export function withoutTensors(args: readonly unknown[]): readonly unknown[] {
  const specs = new Map<object, Map<string, TensorSpec>>();
  return args.map((arg) =>
    replace(arg, (value) => {
      if (!(value instanceof Tensor)) return value;
      let views = specs.get(value.dataId);
      if (!views) specs.set(value.dataId, (views = new Map()));
      const key = value.shape.join();
      let spec = views.get(key);
      if (!spec) views.set(key, (spec = new TensorSpec(value.shape, value.dtype as 'float32' | 'int32')));
      return spec;
    }),
  );
}

/** Arguments with tensors of random contents in the place of others. */
export class Scratch {
  readonly args: readonly unknown[];
  readonly #tensors = new Map<TensorSpec, Tensor>();

  constructor(
    private readonly runtime: Runtime,
    args: readonly unknown[],
  ) {
    this.args = args.map((arg) =>
      replace(arg, (value) => {
        if (!(value instanceof TensorSpec)) return value;
        let tensor = this.#tensors.get(value);
        if (!tensor) {
          tensor = runtime.allocate(value.shape, value.dtype);
          // What operations that are tuned take integers for.
          if (value.dtype === 'int32') asFloat16(tensor);
          this.#tensors.set(value, tensor);
          this.#fill(value, tensor);
        }
        return tensor;
      }),
    );
  }

  /** Whether a tensor is one of the arguments, as the result of an operation that writes in place is. */
  owns(tensor: Tensor): boolean {
    return [...this.#tensors.values()].some(({ dataId }) => dataId === tensor.dataId);
  }

  /** Gives every argument the contents that it had at first. */
  reset(): void {
    for (const [spec, tensor] of this.#tensors) this.#fill(spec, tensor);
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tensors.clear();
  }

  #fill({ size, dtype }: TensorSpec, tensor: Tensor): void {
    if (size > 0) this.runtime.write(tensor, dtype === 'float32' ? randomFloats(size) : randomHalves(size));
  }
}

/** The tensors in what an operation returns. */
export const tensorsOf = (result: unknown): Tensor[] => tensor_util.getTensorsInContainer(result as TensorContainer);

/** A copy of arrays and plain objects with every other value replaced. */
function replace(value: unknown, by: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => replace(item, by));
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replace(item, by)]));
  }
  return by(value);
}

/** A prime, so that no row of a matrix equals the next. */
const PERIOD = 65521;

/** Reproducible random bits (xorshift32). */
function randomBits(): Uint32Array {
  const next = xorshift32(0x9e3779b1);
  return Uint32Array.from({ length: PERIOD }, next);
}

let floats: Float32Array | undefined;
let halves: Int32Array | undefined;

/** Values in [-1, 1). */
function randomFloats(size: number): Float32Array<ArrayBuffer> {
  floats ??= Float32Array.from(randomBits(), (bits) => bits / 2 ** 31 - 1);
  return repeat(floats, new Float32Array(size));
}

/** Pairs of float16 in (-1, 1). */
function randomHalves(size: number): Int32Array<ArrayBuffer> {
  // The exponent's highest bits are cleared where the value would not be below 1.
  const half = (bits: number) => (bits & 0x8000) | ((bits & 0x7fff) % 0x3c00);
  halves ??= Int32Array.from(randomBits(), (bits) => half(bits >>> 16) * 0x10000 + half(bits & 0xffff));
  return repeat(halves, new Int32Array(size));
}

function repeat<T extends Float32Array | Int32Array>(block: Float32Array | Int32Array, target: T): T {
  target.set(block.subarray(0, Math.min(block.length, target.length)));
  for (let filled = block.length; filled < target.length; filled *= 2) {
    target.copyWithin(filled, 0, Math.min(filled, target.length - filled));
  }
  return target;
}
