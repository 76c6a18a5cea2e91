import type { AdapterClass } from '../device/adapter.js';
import type { Kernel } from './kernel.js';

/** The least that has to be computed and moved. */
export interface Work {
  /** Floating-point operations. */
  readonly flops: number;
  /** Bytes read and written at least. */
  readonly bytes: number;
}

/** What can be told of an operation that has several variants, without running it. */
export interface Choosable<Shape extends object, Variant extends string> {
  readonly name: string;
  /** All that it is made of: when the text of one changes, measurements of the operation are void. */
  readonly kernels: readonly Kernel[];
  /** The variants that can compute a shape on an adapter. */
  supported(shape: Shape, adapter: AdapterClass): readonly Variant[];
  /** The variant to use by rules. */
  select(shape: Shape, adapter: AdapterClass): Variant;
  /** Variants that round operands to float16. */
  readonly rounding: readonly Variant[];
  /** What computing a shape costs, for measurements and their report. */
  work(shape: Shape): Work;
}

/** Decides which variant of an operation computes what. `initialize` gives every runtime one. */
export interface Chooser {
  /**
   * The variant to use for a shape.
   * @param op The operation, a function, and
   * @param args its arguments, by which the call can be repeated: the last one is an object with an optional `variant`.
   */
  choose<Shape extends object, Variant extends string>(
    op: Choosable<Shape, Variant> & ((...args: never[]) => unknown),
    shape: Shape,
    args: readonly unknown[],
  ): Variant;
}
