import type { AdapterClass } from '../device/adapter.js';
import type { Chooser } from '../dispatch/chooser.js';
import type { Runtime } from '../dispatch/runtime.js';
import type { MatrixProduct } from './ceilings.js';
import type { TuningError } from './error.js';
import { type AdapterIdentity, type TunedEntry, TuningTable } from './table.js';
import { type AnyTunedOp, fingerprint, shapeKey, type TunedOp, type TunedShape } from './tuned-op.js';

/** One use of an operation, as `choose` sees it. */
export interface ObservedCall {
  readonly op: AnyTunedOp;
  readonly shape: TunedShape;
  /** `shapeKey` of the shape. */
  readonly key: string;
  /** The operation, whose last parameter is an object with an optional `variant`. */
  readonly run: (...args: never[]) => unknown;
  readonly args: readonly unknown[];
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
  readonly #remembered = new Map<AnyTunedOp, Map<string, string>>();
  #observer: ((call: ObservedCall) => void) | undefined;
  /** Whether anything but the rules has to be asked. */
  #active = false;

  constructor(
    identity: AdapterIdentity,
    private readonly adapterClass: AdapterClass,
    /** By which `tune` measures what the adapter can do at most. */
    readonly product: MatrixProduct,
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
  add(op: AnyTunedOp, key: string, entry: TunedEntry): void {
    this.#table.set(op.name, fingerprint(op), key, entry);
    this.#changed();
  }

  /** What was measured of a shape, unless it was with other kernels than those of today. */
  measured(op: AnyTunedOp, key: string): TunedEntry | undefined {
    return this.#table.get(op.name, fingerprint(op), key);
  }

  /** Shows every choice to `observer` until it is called with none. */
  observe(observer: ((call: ObservedCall) => void) | undefined): void {
    this.#observer = observer;
    this.#changed();
  }

  #changed(): void {
    this.#remembered.clear();
    this.#active = this.#observer !== undefined || this.#table.size > 0;
  }

  /**
   * The kernel to use for a shape.
   * @param run The operation and
   * @param args its arguments, by which `tune` repeats the call.
   */
  choose<Shape extends TunedShape, Variant extends string, Args extends unknown[]>(
    op: TunedOp<Shape, Variant>,
    shape: Shape,
    run: (...args: Args) => unknown,
    args: Args,
  ): Variant {
    if (!this.#active) return op.select(shape, this.adapterClass);
    const key = shapeKey(shape);
    this.#observer?.({ op, shape, key, run, args });
    let remembered = this.#remembered.get(op);
    if (!remembered) this.#remembered.set(op, (remembered = new Map()));
    const known = remembered.get(key);
    if (known !== undefined) return known as Variant;
    const measured = this.measured(op, key)?.variant;
    const candidates = measured === undefined ? [] : op.variants(shape, this.adapterClass);
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
