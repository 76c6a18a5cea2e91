import type { Work } from '../dispatch/chooser.js';
import type { Runtime } from '../dispatch/runtime.js';
import { type Ceilings, measureCeilings, shareOfCeiling } from './ceilings.js';
import { type Clock, deviceClock } from './clock.js';
import { measurable } from './fingerprint.js';
import { withoutTensors } from './scratch.js';
import type { TunedEntry } from './table.js';
import { Trial } from './trial.js';
import { type ObservedCall, tuningOf } from './tuning.js';

/** Options of `tune`. */
export interface TuneOptions {
  /** Milliseconds after which no further kernel is tried, not counting `work` and the ceilings; 60000 by default. */
  budgetMs?: number | undefined;
  /** Share of the adapter's ceiling, 0..1, at which no faster kernel is looked for; 0.7 by default. */
  enough?: number | undefined;
  /** Also measures again what is known already. */
  again?: boolean | undefined;
  /** Stops; what was measured until then stays. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: TuneProgress) => void) | undefined;
  /** Takes times; by default the GPU's, where it has timestamps. For tests. */
  clock?: Clock | undefined;
}

/** How far `tune` is. */
export interface TuneProgress {
  /** Shapes measured. */
  readonly done: number;
  /** Shapes to measure. */
  readonly total: number;
  /** The one that was measured last. */
  readonly shape: TunedShapeResult;
}

/** What was found out about one shape. */
export interface TunedShapeResult extends TunedEntry {
  /** The operation, `gemm`. */
  readonly op: string;
  /** `batch=1 m=256 n=512 k=512 aligned`. */
  readonly shape: string;
  /** How often the work uses it. */
  readonly calls: number;
  /** Kernels that failed or computed something else, and why. None of them is used. */
  readonly excluded: Readonly<Record<string, string>>;
}

/** What `tune` found out. */
export interface TuneResult {
  readonly ceilings: Ceilings;
  /** Those of the work that have several kernels: measured now, the most time-consuming first. */
  readonly shapes: readonly TunedShapeResult[];
  /** Measured before. */
  readonly known: number;
  /** Not measured, since it stopped before. */
  readonly remaining: number;
  readonly stopped: 'complete' | 'budget' | 'aborted';
}

/** A shape of the work. */
interface Observed {
  readonly op: ObservedCall['op'];
  readonly key: string;
  readonly work: Work;
  /** The one used by default comes first. */
  readonly variants: readonly string[];
  readonly args: readonly unknown[];
  calls: number;
  /** Time of one call by default, as far as is known. */
  milliseconds: number;
}

/** What a faster kernel has to gain before it replaces the default: times differ by as much from run to run. */
const LEAST_GAIN = 1.03;
/** Kernels slower than this many times the fastest are not timed thoroughly. */
const HOPELESS = 1.5;
/** Share of the budget that may be spent on finding out what takes how long by default. */
const ORDERING_SHARE = 1 / 3;
/** Samples by which it is decided whether a kernel is fast enough, or hopeless, */
const QUICK_ROUNDS = 3;
/** and those by which the fastest is chosen: as many as take so long. */
const ROUNDS = { least: 5, most: 25, milliseconds: 40 };

/**
 * Finds the fastest kernel for every shape that some work uses, and uses it from then on (`tuningOf`). Runs the work once
 * to see what it uses; then, beginning with what takes the most time, runs all kernels that can compute a shape in float32
 * on random operands of that shape, checks that their results agree, and times them in turns. A shape is done once a kernel
 * reaches `enough` of what the adapter can do at most. Kernels differ in the last bits of their results: the same table always
 * gives the same results, another one may differ by rounding.
 *
 * @param work Has to launch what it does anew: a captured graph that is only replayed uses no kernels that can be seen, and
 *   one that exists already goes on as it was captured, and so does one that the work itself captures and keeps.
 * @throws RangeError for options that make no sense; DeviceLostError; what `work` throws
 */
export async function tune(
  runtime: Runtime,
  work: () => Promise<unknown> | unknown,
  options: TuneOptions = {},
): Promise<TuneResult> {
  const { budgetMs = 60_000, enough = 0.7, again = false, signal, onProgress, clock = deviceClock } = options;
  if (!(budgetMs > 0)) throw new RangeError(`tune: budgetMs is to be positive, not ${budgetMs}`);
  if (!(enough > 0)) throw new RangeError(`tune: enough is to be positive, not ${enough}`);
  const tuning = tuningOf(runtime);
  const observed = await observe(runtime, work);
  const open = observed.filter(({ op, key }) => again || tuning.measured(op, key) === undefined);

  const ceilings = await measureCeilings(runtime);
  const start = performance.now();
  const spent = (share: number) => performance.now() - start >= share * budgetMs;
  const stopped = () => (signal?.aborted ? 'aborted' : spent(1) ? 'budget' : undefined);
  for (const call of open) {
    if (stopped() || spent(ORDERING_SHARE)) break;
    await timeDefault(runtime, call, clock);
  }
  open.sort((a, b) => b.calls * b.milliseconds - a.calls * a.milliseconds);

  const shapes: TunedShapeResult[] = [];
  for (const call of open) {
    const shape = await tuneShape(runtime, call, { clock, ceilings, enough, stopped });
    if (!shape) break;
    shapes.push(shape);
    const { variant, selected, milliseconds, share } = shape;
    tuning.add(call.op, call.key, { variant, selected, milliseconds, share });
    onProgress?.({ done: shapes.length, total: open.length, shape });
  }
  const remaining = open.length - shapes.length;
  return {
    ceilings,
    shapes,
    known: observed.length - open.length,
    remaining,
    stopped: remaining > 0 ? (stopped() ?? 'budget') : 'complete',
  };
}

/** Runs the work and notes every shape that several kernels can compute. */
async function observe(runtime: Runtime, work: () => Promise<unknown> | unknown): Promise<Observed[]> {
  const seen = new Map<string, Observed>();
  const tuning = tuningOf(runtime);
  tuning.observe(({ op, shape, key, args }) => {
    const id = `${op.name} ${key}`;
    const known = seen.get(id);
    if (known) {
      known.calls++;
      return;
    }
    const variants = measurable(op, shape as never, runtime.adapterClass);
    const rest = { calls: 1, milliseconds: 0, args: withoutTensors(args), work: op.work(shape as never) };
    seen.set(id, { op, key, variants, ...rest });
  });
  try {
    await work();
  } finally {
    tuning.observe(undefined);
  }
  return [...seen.values()].filter(({ variants }) => variants.length > 1);
}

async function timeDefault(runtime: Runtime, call: Observed, clock: Clock): Promise<void> {
  const trial = new Trial(runtime, call);
  try {
    const kernel = trial.kernel(call.variants[0]!);
    kernel.run();
    [call.milliseconds] = (await clock(runtime, [kernel], 1)) as [number];
  } finally {
    trial.dispose();
  }
}

interface Limits {
  readonly clock: Clock;
  readonly ceilings: Ceilings;
  readonly enough: number;
  readonly stopped: () => string | undefined;
}

/** @returns Nothing when it was stopped before all is known. */
async function tuneShape(
  runtime: Runtime,
  { op, key, calls, variants, work, args }: Observed,
  { clock, ceilings, enough, stopped }: Limits,
): Promise<TunedShapeResult | undefined> {
  if (stopped()) return undefined;
  const selected = variants[0]!;
  const times = new Map<string, number>();
  const excluded: Record<string, string> = {};
  const best = () => Math.min(...times.values());
  const share = () => shareOfCeiling(work, best(), ceilings);
  const trial = new Trial(runtime, { op, args });
  try {
    await trial.refer(selected);
    for (const variant of variants) {
      if (stopped()) return undefined;
      if (times.size > 0 && share() >= enough) break;
      const reason = variant === selected ? undefined : await trial.reject(variant);
      if (reason) excluded[variant] = reason;
      else times.set(variant, (await clock(runtime, [trial.kernel(variant)], QUICK_ROUNDS))[0]!);
    }
    const hopeful = [...times.keys()].filter((variant) => times.get(variant)! <= HOPELESS * best());
    if (times.size > 1) {
      const { least, most, milliseconds } = ROUNDS;
      const rounds = Math.min(most, Math.max(least, Math.ceil(milliseconds / best())));
      const contenders = [...new Set([selected, ...hopeful])];
      const thorough = await clock(
        runtime,
        contenders.map((variant) => trial.kernel(variant)),
        rounds,
      );
      for (const [i, variant] of contenders.entries()) times.set(variant, thorough[i]!);
    }
  } finally {
    trial.dispose();
  }
  const fastest = [...times.keys()].reduce((a, b) => (times.get(b)! < times.get(a)! ? b : a), selected);
  const variant = times.get(selected)! >= LEAST_GAIN * times.get(fastest)! ? fastest : selected;
  return {
    op: op.name,
    shape: key,
    calls,
    selected,
    variant,
    milliseconds: Object.fromEntries(times),
    share: shareOfCeiling(work, times.get(variant)!, ceilings),
    excluded,
  };
}
