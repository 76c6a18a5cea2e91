import { parseArgs } from 'node:util';
import { type BenchModel, MODELS } from './names.js';

/** What the user asked for. */
export interface BenchArguments {
  readonly quick: boolean;
  readonly help: boolean;
  readonly list: boolean;
  /** Only these models and no kernels; all there is otherwise. */
  readonly models?: readonly BenchModel[];
  /** Only benchmarks whose names contain this. */
  readonly only?: string;
  readonly adapter?: string;
  readonly json?: string;
  readonly rounds?: number;
  /** Folder of graphs exported by `bench/onnx`, which ONNX Runtime runs instead of traced ones. */
  readonly onnx?: string;
  /** Python with what `bench/onnx` needs: PyTorch itself takes part, on the CPU. */
  readonly pytorch?: string;
  /** Runners that do not take part. */
  readonly without: readonly string[];
  /** Whether the unfused twins of SAM and Grounding DINO take part. */
  readonly twin: boolean;
  /** Seconds for choosing kernels by measurement before a benchmark; missing where they are chosen by the rules. */
  readonly tune?: number;
  /** In Chromium instead of Node. */
  readonly chromium: boolean;
  /** Chromium's program. */
  readonly chromiumPath?: string;
  /** Compares every kernel with its reference instead of timing anything. */
  readonly check: boolean;
  /** Times what a dispatch of each operation costs the CPU, and nothing else. */
  readonly recording: boolean;
  /** Also how the cost of a frame grows. */
  readonly curves: boolean;
  /** As asked for; models have sizes of their own otherwise. */
  readonly size?: { readonly height: number; readonly width: number };
}

/** A command line that makes no sense. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE = `npm run bench -- [options]

Times SAMTrack's kernels and models against the same from stock TensorFlow.js operations and against ONNX Runtime
(WebGPU and CPU), in turns, on one adapter. Every output is compared before anything is timed.

  --quick           fewer benchmarks and rounds, under 3 minutes on two cores without a GPU
  --model NAME      only this model: ${MODELS.join(', ')}; may be repeated
  --only TEXT       only benchmarks whose names contain TEXT, such as gemm
  --twin            SAM and Grounding DINO, and all models in Chromium without a GPU, against their unfused twins too,
                    which takes minutes
  --curves          also how a frame's time grows with objects, resolution, memory and the length of a video
  --size HxW        size of frames and images: by default 480x854 for trackers, 161x193 in a quick run, 480x640 for
                    Grounding DINO and 1024x1024 for SAM 2.1, which squeezes them to a square; SAM has its own
  --tune            before each benchmark, choose its kernels by measuring them all here; of ours only
  --budget SECONDS  for --tune of one benchmark, 60 by default
  --rounds N        samples of each runner, at least 5 to be trusted
  --onnx FOLDER     ONNX Runtime runs the models that bench/onnx exported from PyTorch into this folder, not traced ones
  --pytorch PYTHON  PyTorch itself takes part, on the CPU, with this Python, which has what bench/onnx needs
  --without RUNNER  leave one out, such as onnxruntime-webgpu; may be repeated
  --adapter NAME    substring of the adapter's name, for machines with several
  --chromium        in Chromium instead of Node, against ONNX Runtime for browsers (WebGPU and WebAssembly); without a
                    GPU a run has small kernels and frames of 161x193, unless others are named; --adapter is then gpu
                    or software
  --chromium-path P Chromium's program, where it is not found by itself
  --json FILE       where to write the results, and beside them a page with plots; a whole run without it writes
                    bench/results/ADAPTER.json and .html, chromium-ADAPTER with --chromium
  --check           no times: every variant of every kernel that this adapter supports against its float64 reference
  --recording       CPU microseconds of a dispatch of each operation while it is recorded, on Dawn's null backend
  --list            names of all benchmarks
  --help            this text

Ratios are medians of theirs over ours: 3.0 means that ours takes a third of the time.`;

/** @throws UsageError for what is not understood */
export function parseArguments(args: readonly string[]): BenchArguments {
  let values: ReturnType<typeof parse>['values'];
  try {
    ({ values } = parse(args));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const {
    quick = false,
    help = false,
    list = false,
    check = false,
    recording = false,
    chromium = false,
    curves = false,
    twin = false,
    model,
    only,
    adapter,
    json,
    onnx,
    pytorch,
    without = [],
  } = values;
  const chromiumPath = values['chromium-path'];
  if (chromium) {
    const inNode = { check, recording, curves, tune: values.tune, onnx, pytorch };
    for (const [option, value] of Object.entries(inNode)) {
      if (value) throw new UsageError(`--${option} runs in Node, not with --chromium.`);
    }
    if (adapter !== undefined && adapter !== 'gpu' && adapter !== 'software') {
      throw new UsageError(`With --chromium, --adapter takes gpu or software, not "${adapter}".`);
    }
  } else if (chromiumPath !== undefined) {
    throw new UsageError('--chromium-path is for --chromium.');
  }
  for (const name of model ?? []) {
    if (!(MODELS as readonly string[]).includes(name)) {
      throw new UsageError(`There is no model "${name}" to benchmark; there are ${MODELS.join(', ')}.`);
    }
  }
  let rounds: number | undefined;
  if (values.rounds !== undefined) {
    rounds = Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1)
      throw new UsageError(`--rounds takes a number, not "${values.rounds}".`);
  }
  const budget = values.budget === undefined ? 60 : Number(values.budget);
  if (!(budget > 0)) throw new UsageError(`--budget takes a number of seconds, not "${values.budget}".`);
  const size = values.size === undefined ? undefined : /^(\d+)x(\d+)$/.exec(values.size);
  if (values.size !== undefined && (!size || Number(size[1]) < 32 || Number(size[2]) < 32)) {
    throw new UsageError(`--size takes HEIGHTxWIDTH of at least 32, not "${values.size}".`);
  }
  return {
    quick,
    help,
    list,
    models: model as BenchModel[] | undefined,
    only,
    adapter,
    json,
    rounds,
    onnx,
    pytorch,
    without,
    chromium,
    chromiumPath,
    check,
    recording,
    curves,
    twin,
    ...(values.tune ? { tune: budget } : {}),
    ...(size ? { size: { height: Number(size[1]), width: Number(size[2]) } } : {}),
  };
}

const parse = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
      list: { type: 'boolean' },
      model: { type: 'string', multiple: true },
      only: { type: 'string' },
      adapter: { type: 'string' },
      json: { type: 'string' },
      rounds: { type: 'string' },
      onnx: { type: 'string' },
      pytorch: { type: 'string' },
      without: { type: 'string', multiple: true },
      chromium: { type: 'boolean' },
      'chromium-path': { type: 'string' },
      check: { type: 'boolean' },
      recording: { type: 'boolean' },
      curves: { type: 'boolean' },
      twin: { type: 'boolean' },
      tune: { type: 'boolean' },
      budget: { type: 'string' },
      size: { type: 'string' },
    },
  });
