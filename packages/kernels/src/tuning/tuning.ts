import type { Tensor } from '@tensorflow/tfjs-core';
import type { AdapterClass } from '../device/adapter.js';
import type { Choosable, Chooser } from '../dispatch/chooser.js';
import type { Runtime } from '../dispatch/runtime.js';
import type { TuningError } from './error.js';
import { type AnyOp, fingerprint, measurable, shapeKey } from './fingerprint.js';
import { type AdapterIdentity, type TunedEntry, TuningTable } from './table.js';

/** One use of an operation, as `choose` sees it. */
export interface ObservedCall {
  /** What was called. */
  readonly op: AnyOp & ((...args: never[]) => unknown);
  readonly shape: object;
  /** `shapeKey` of the shape. */
  readonly key: string;
  readonly args: readonly unknown[];
}

/** Products of two matrices, whichever operation computes them; `float16` rounds them, where there are matrix units. */
export interface MatrixProducts {
  readonly float32: (a: Tensor, b: Tensor) => Tensor;
  readonly float16?: (a: Tensor, b: Tensor) => Tensor;
}

/** Shapes of an operation whose choice is remembered; more than any model uses. */
const MAX_REMEMBERED = 4096;

/**
 * Which kernel computes what on one device: the one that measurements say is the fastest, where there are any (`tune`),
 * and else the one that the operation selects by rules. Without measurements nothing but the rules is evaluated.
 */
export class Tuning implements Chooser {
  /** Why stored measurements could not be used, if they could not. */
  warning: TuningError | undefined;

  #table: TuningTable;
  readonly #remembered = new Map<AnyOp, Map<string, string>>();
  #observer: ((call: ObservedCall) => void) | undefined;
  /** What `force` says. */
  #forced: { op: string; variant: string; asked: boolean } | undefined;
  /** Whether anything but the rules has to be asked. */
  #active = false;

  constructor(
    identity: AdapterIdentity,
    private readonly adapterClass: AdapterClass,
    /** By which is measured what the adapter can do at most. */
    readonly products: MatrixProducts,
  ) {
    this.#table = new TuningTable(identity);
  }

  /** The measurements in use. */
  get table(): TuningTable {
    return this.#table;
  }

  /** Uses other measurements from now on. Captured graphs keep the kernels that they were captured with. */
  use(table: TuningTable): void {
    this.#table = table;
    this.#changed();
  }

  /** Adds a measurement to those in use. */
  add(op: AnyOp, key: string, entry: TunedEntry): void {
    this.#table.set(op.name, fingerprint(op), key, entry);
    this.#changed();
  }

  /** What was measured of a shape, unless it was with other kernels than those of today. */
  measured(op: AnyOp, key: string): TunedEntry | undefined {
    return this.#table.get(op.name, fingerprint(op), key);
  }

  /** Shows every choice to `observer` until it is called with none. */
  observe(observer: ((call: ObservedCall) => void) | undefined): void {
    this.#observer = observer;
    this.#changed();
  }

  #changed(): void {
    this.#remembered.clear();
    this.#active = this.#observer !== undefined || this.#forced !== undefined || this.#table.size > 0;
  }

  /**
   * Runs something with one variant of an operation, whatever is known of it.
   * @param op Its name.
   * @throws Error when the work chooses no variant of it: its operation has another name, or the caller forced one already.
   */
  force<T>(op: string, variant: string, work: () => T): T {
    const forced = { op, variant, asked: false };
    this.#forced = forced;
    this.#changed();
    try {
      const result = work();
      if (!forced.asked) throw new Error(`${op} was to run as ${variant}, but no variant of it was chosen.`);
      return result;
    } finally {
      this.#forced = undefined;
      this.#changed();
    }
  }

  choose<Shape extends object, Variant extends string>(
    op: Choosable<Shape, Variant> & ((...args: never[]) => unknown),
    shape: Shape,
    args: readonly unknown[],
  ): Variant {
    if (!this.#active) return op.select(shape, this.adapterClass);
    if (this.#forced?.op === op.name) {
      this.#forced.asked = true;
      return this.#forced.variant as Variant;
    }
    const key = shapeKey(shape);
    this.#observer?.({ op, shape, key, args });
    let remembered = this.#remembered.get(op);
    if (!remembered) this.#remembered.set(op, (remembered = new Map()));
    const known = remembered.get(key);
    if (known !== undefined) return known as Variant;
    const measured = this.measured(op, key)?.variant;
    const candidates = measured === undefined ? [] : measurable(op, shape, this.adapterClass);
    const variant = candidates.find((candidate) => candidate === measured) ?? op.select(shape, this.adapterClass);
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(key, variant);
    return variant;
  }
}

/**
 * The measurements by which a runtime chooses its kernels.
 * @throws Error when something else chooses them.
 */
export function tuningOf({ chooser }: Runtime): Tuning {
  if (!(chooser instanceof Tuning)) throw new Error('The kernels of this runtime are not chosen by `Tuning`.');
  return chooser;
}
