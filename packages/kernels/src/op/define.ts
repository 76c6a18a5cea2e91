import { Tensor, type TensorInfo } from '@tensorflow/tfjs-core';
import type { AdapterClass } from '../device/adapter.js';
import type { Choosable, Work } from '../dispatch/chooser.js';
import type { Kernel } from '../dispatch/kernel.js';
import { currentEngineOps, findRuntime, getRuntime, type Launch, type Runtime } from '../dispatch/runtime.js';
import { addToTape, tapeIsOn } from '../dispatch/tfjs.js';
import { type Check, OperandError } from './arguments.js';
import { ShapeError } from './shape-error.js';

/** The declaration of an operation. */
export interface OpSpec<Args extends unknown[], Result, Shape extends object, Variant extends string> {
  /** As its folder is called. */
  readonly name: string;
  /** Its arguments by name, in order, and what each may be. */
  readonly takes: Readonly<Record<string, Check>>;
  /** The kernels that it launches. */
  readonly kernels: readonly Kernel[];
  /** The variants that can compute a shape on an adapter, all of them by default `run` itself chooses among. */
  supported?(shape: Shape, adapter: AdapterClass): readonly Variant[];
  /** The variant to use where nothing was measured; the first one supported by default. */
  select?(shape: Shape, adapter: AdapterClass): Variant;
  /** Variants that round operands to float16: never used unless the caller asked for them. */
  readonly rounding?: readonly Variant[];
  work?(shape: Shape): Work;
  /** Checks whether the operands go together, and launches. */
  run(call: Call<Shape, Variant>, ...args: Args): Result;
}

/** A gradient was asked for through a kernel, which has none. */
export class GradientError extends Error {
  override readonly name = 'GradientError';
  constructor(
    /** The operation. */
    readonly op: string,
  ) {
    super(
      `${op}: there are no gradients through kernels. Build on \`stockOps\`, whose operations have them, or give a gradient of your own with tf.customGrad`,
    );
  }
}

/** An operation: a function that knows its name, its variants, and what it costs. */
export interface Op<Args extends unknown[], Result, Shape extends object = object, Variant extends string = string>
  extends Choosable<Shape, Variant> {
  (...args: Args): Result;
}

/** One call of an operation, on the current runtime. */
export class Call<Shape extends object, Variant extends string> {
  constructor(
    private readonly op: Op<never[], unknown, Shape, Variant>,
    readonly runtime: Runtime,
    private readonly args: readonly unknown[],
  ) {}

  get adapter(): AdapterClass {
    return this.runtime.adapterClass;
  }

  /**
   * The variant that computes a shape: the one that the last argument's `variant` forces, or that which the runtime chooses.
   * @throws OperandError for one that cannot compute it on this adapter
   */
  choose(shape: Shape): Variant {
    const forced = (this.args.at(-1) as { variant?: Variant } | undefined)?.variant;
    if (forced === undefined) return this.runtime.chooser.choose(this.op, shape, this.args);
    const supported = this.op.supported(shape, this.adapter);
    if (supported.includes(forced)) return forced;
    const message = `variant is to be one of ${supported.join(', ')} for this shape on this adapter, got "${forced}"`;
    throw new OperandError(this.op.name, 'variant', message);
  }

  /** A new tensor for the result: see `Runtime.allocate`. */
  allocate(shape: readonly number[], dtype?: 'float32' | 'int32'): Tensor {
    return this.runtime.allocate(shape, dtype);
  }

  /** Records one launch: see `Runtime.launch`. */
  launch(kernel: Kernel, launch: Launch): void {
    this.runtime.launch(kernel, launch);
  }

  /** What to throw for operands that do not fit together. */
  wrong(expected: string, tensors: Readonly<Record<string, TensorInfo | undefined>>): ShapeError {
    return new ShapeError(this.op.name, expected, tensors);
  }
}

/**
 * Declares an operation. What it is called with is what `run` takes behind the call. Every call is checked against `takes`, and
 * gradients that would have to go through it are refused. Where another machine than a GPU is the current one and has the
 * operation, it is that which is called.
 */
export function defineOp<Args extends unknown[], Result, Shape extends object = object, Variant extends string = never>(
  spec: OpSpec<Args, Result, Shape, Variant>,
): Op<Args, Result, Shape, Variant> {
  const { name, kernels, supported = () => [], rounding = [], work = () => ({ flops: 0, bytes: 0 }), run } = spec;
  const select = spec.select ?? ((shape: Shape, adapter: AdapterClass) => supported(shape, adapter)[0]!);
  const takes = Object.entries(spec.takes);
  const call = (...args: Args): Result => {
    const found = findRuntime();
    const own = found ? undefined : currentEngineOps()?.[name];
    const runtime = own ? undefined : (found ?? getRuntime());
    for (let i = 0; i < takes.length; i++) {
      const [argument, check] = takes[i]!;
      const complaint = check(args[i], argument);
      if (complaint) throw new OperandError(name, complaint.argument, complaint.message);
    }
    if (!runtime) return Reflect.apply(own!, undefined, args) as Result;
    const result = run(new Call(op as never, runtime, args), ...args);
    if (tapeIsOn()) {
      addToTape(name, tensorsIn(args), tensorsIn(result), () => {
        throw new GradientError(name);
      });
    }
    return result;
  };
  Object.defineProperty(call, 'name', { value: name });
  const op = Object.assign(call, { kernels, supported, select, rounding, work }) as Op<Args, Result, Shape, Variant>;
  return op;
}

/** The tensors in arguments or results, however deep in lists and objects. */
function tensorsIn(values: unknown, found: Tensor[] = []): Tensor[] {
  if (values instanceof Tensor) found.push(values);
  else if (Array.isArray(values)) for (const value of values) tensorsIn(value, found);
  else if (typeof values === 'object' && values !== null && !ArrayBuffer.isView(values)) {
    for (const value of Object.values(values)) tensorsIn(value, found);
  }
  return found;
}
