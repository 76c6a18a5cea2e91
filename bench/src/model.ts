import { fusedOps, type OpSet, type Runtime, stockOps } from '@samtrack/kernels';
import {
  type BenchContext,
  type BenchmarkResult,
  Contest,
  checkOutput,
  OURS,
  OURS_CPU,
  repeat,
  STOCK,
} from './contest.js';
import { countFlops } from './flops.js';
import { warmUp } from './measure.js';
import type { BaselineGraph, ExportedGraphs } from './onnx/baseline.js';

/** What is told about a model apart from its times. */
export interface ModelResult extends BenchmarkResult {
  /** From the inputs to the first result, shaders and all; of a tracker, with the shaders compiled before. Milliseconds. */
  readonly firstResultMs: number;
  /** Frames or images a second. */
  readonly fps: number;
  /** GPU memory in use or pooled after a run: weights, inputs, memory and intermediate results. */
  readonly peakGpuBytes: number;
  readonly dispatches: number;
  /** Where the graph comes from that ONNX Runtime ran: `traced`, or `pytorch 2.15.0`. */
  readonly graph?: string;
  /** Where the GPU's time goes, by its own clock; missing where it has none. */
  readonly parts?: readonly ModelPart[];
}

/** A part of a model: a block, or a stage. */
interface ModelPart {
  readonly name: string;
  readonly milliseconds: number;
  readonly flops?: number;
}

/** Called when the work of a part is recorded, with its arithmetic where that is known. */
type OnPart = (name: string, flops?: number) => void;

/** A model to be timed, with its inputs. */
export interface BenchedModel {
  /** Name and input size: `sam-vit-b@1024x1024`. */
  readonly name: string;
  /** Multiplications and additions of the published model; without them, ours are counted. */
  readonly flops?: number;
  /** Most normalised squared error of a result. */
  readonly errorLimit?: number;
  /** The model on a set of operations. */
  load(ops: OpSet): Promise<LoadedModel>;
  /** The graph that stands for the model, from elsewhere if there are such. @param size Values of the result. */
  graph(size: number, exported?: ExportedGraphs): Promise<BaselineGraph>;
  dispose(): void;
}

interface LoadedModel {
  /** The result, which the others have to compute too. */
  values(): Promise<Float32Array>;
  /** What a twin has to compute, too, by name. */
  others?(): Promise<Readonly<Record<string, Float32Array>>>;
  /** What is timed; resolves when all of it is computed. */
  run(): Promise<unknown>;
  /** Begins what users run, which is timed in place of `run`, of ours; how long that takes is the latency told. */
  begin?(): Promise<{ run(): Promise<unknown>; dispose(): void }>;
  /** Records a run, part by part. */
  parts?(onPart: OnPart): Promise<void>;
  dispose(): void;
}

/**
 * A model against itself on the CPU, its unfused twin and ONNX Runtime on the same weights.
 * @param make The model, on the current engine.
 * @param twin Whether the twin of stock operations takes part, which takes minutes on a software adapter.
 */
export async function benchModel(
  make: () => Promise<BenchedModel>,
  context: BenchContext,
  twin: boolean,
): Promise<ModelResult> {
  const { runtime, cpu, ort, pytorch, exported, options } = context;
  const model = await make();
  const ours = await model.load(fusedOps);
  const used: { dispose(): void }[] = [ours, model];
  const cpuUsed: { dispose(): void }[] = [];
  // The first pass is always launched anew.
  const { flops, result: contest } = await countFlops(runtime, () =>
    Contest.open(model.name, context, () => ours.values(), model.errorLimit),
  );
  let firstResultMs = contest.first.byRunner[OURS]!;
  let timed: Pick<LoadedModel, 'run'> = ours;
  if (ours.begin) {
    runtime.trim();
    const start = performance.now();
    const begun = await ours.begin();
    firstResultMs = performance.now() - start;
    used.unshift(begun);
    timed = begun;
  }
  const before = runtime.dispatchCount;
  await timed.run();
  const told = {
    firstResultMs,
    dispatches: runtime.dispatchCount - before,
    peakGpuBytes: runtime.memory().allocatedBytes,
  };
  const oursRun = repeat(() => timed.run());
  contest.add(OURS, oursRun);
  let parts: ModelPart[] | undefined;
  if (ours.parts && runtime.device.features.has('timestamp-query')) {
    await warmUp({ run: oursRun }, options.warmMs ?? 0);
    parts = await timeParts(runtime, ours.parts);
  }
  if (twin) {
    await contest.attempt(STOCK, async () => {
      const stock = await model.load(stockOps);
      used.unshift(stock);
      await contest.check(STOCK, () => stock.values());
      const others = (await ours.others?.()) ?? {};
      const theirs = (await stock.others?.()) ?? {};
      for (const name in others) {
        checkOutput(`${model.name}, ${name}`, STOCK, theirs[name]!, others[name]!, model.errorLimit);
      }
      contest.add(
        STOCK,
        repeat(() => stock.run()),
      );
    });
  }
  if (cpu) {
    await contest.attempt(OURS_CPU, async () => {
      const there = await cpu.run(async (engine) => {
        const made = await make();
        const loaded = await made.load(engine.ops);
        await contest.check(OURS_CPU, () => loaded.values());
        return { made, loaded, begun: await loaded.begin?.() };
      });
      const { made, loaded, begun } = there;
      cpuUsed.push(...(begun ? [begun] : []), loaded, made);
      const work = repeat(() => (begun ?? loaded).run());
      contest.add(OURS_CPU, (count) => cpu.run(() => work(count)));
    });
  }
  let graph: BaselineGraph | undefined;
  if (ort) {
    graph = await model.graph(contest.ours.length, exported);
    await contest.addOrt(ort, graph);
  }
  if (pytorch !== undefined) await contest.addPyTorch(pytorch);
  const result = await contest.measure({ ...options, sampleMs: options.warmMs ?? 0 });
  for (const one of used) one.dispose();
  await cpu?.run(() => {
    for (const one of cpuUsed) one.dispose();
  });
  await contest.dispose();
  runtime.trim();
  return {
    ...result,
    flops: model.flops || flops,
    ...told,
    ...(graph ? { graph: graph.graph } : {}),
    ...(parts ? { parts } : {}),
    fps: 1000 / result.runners[OURS]!.wall.median,
  };
}

/** GPU time of each part of a run. */
async function timeParts(runtime: Runtime, record: NonNullable<LoadedModel['parts']>): Promise<ModelPart[]> {
  const start = runtime.dispatchCount;
  const marks: { name: string; flops?: number; end: number }[] = [];
  const times = await runtime.profile(() =>
    record((name, flops) => marks.push({ name, flops, end: runtime.dispatchCount - start })),
  );
  return marks.map(({ name, flops, end }, i) => ({
    name,
    flops,
    milliseconds: times.slice(marks[i - 1]?.end ?? 0, end).reduce((sum, time) => sum + time.milliseconds, 0),
  }));
}
