import type { AdapterClass } from '../device/adapter.js';

/** An operation that several kernels can compute, as far as the choice among them is concerned. */
export interface Choosable<Shape extends object, Variant extends string> {
  readonly name: string;
  /** The kernel to use by rules. */
  select(shape: Shape, adapter: AdapterClass): Variant;
}

/** Decides which kernel computes what. `initialize` gives every runtime one. */
export interface Chooser {
  /**
   * The kernel to use for a shape.
   * @param run The operation and
   * @param args its arguments, by which the call can be repeated.
   */
  choose<Shape extends object, Variant extends string, Args extends unknown[]>(
    op: Choosable<Shape, Variant>,
    shape: Shape,
    run: (...args: Args) => unknown,
    args: Args,
  ): Variant;
}
