import { getEngine } from '@samtrack/kernels';
import type { Size } from '@samtrack/models';
import type { BenchArguments } from './arguments.js';
import type { BenchContext } from './contest.js';
import type { Curve, CurveOptions } from './curve.js';
import { benchedDeAot } from './deaot/bench.js';
import { measureCurves } from './deaot/curves.js';
import { benchModel, type ModelResult } from './model.js';
import { type BenchModel, type BenchTracker, TRACKERS } from './names.js';
import { benchedNetwork } from './networks/bench.js';
import { groundingDino } from './networks/grounding-dino.js';
import type { Network } from './networks/network.js';
import { samEncoder } from './networks/sam.js';
import { samDecoder } from './networks/sam-decoder.js';
import { type Sam2BenchName, sam2Encoder, sam2MemoryAttention } from './networks/sam2.js';
import { measureSam2Curves } from './networks/sam2-curves.js';

/** A model at a size. */
export interface ModelJob {
  readonly model: BenchModel;
  /** `deaot-t@480x854`. */
  readonly name: string;
  /** For trackers. */
  readonly tracker?: {
    readonly name: BenchTracker;
    readonly size: { readonly height: number; readonly width: number };
  };
  run(context: BenchContext): Promise<ModelResult>;
  /** How the time of a frame grows; for what tracks. */
  curves?(options: Omit<CurveOptions, 'size'>): Promise<Curve[]>;
}

const isTracker = (model: BenchModel): model is BenchTracker => (TRACKERS as readonly string[]).includes(model);

const isSam2 = (model: BenchModel): model is Sam2BenchName => model === 'sam2.1-tiny' || model === 'sam2.1-small';

/** What there is to run of a model. */
export function modelJob(
  model: BenchModel,
  { size, quick, twin }: Pick<BenchArguments, 'size' | 'quick' | 'twin'>,
): ModelJob {
  if (isTracker(model)) {
    const frame = size ?? (quick ? { height: 161, width: 193 } : { height: 480, width: 854 });
    return {
      model,
      name: `${model}@${frame.height}x${frame.width}`,
      tracker: { name: model, size: frame },
      run: (context) => benchModel(async () => benchedDeAot(getEngine(), model, frame), context, !context.withoutTwin),
      curves: (options) => measureCurves(model, { ...options, size: frame }),
    };
  }
  const network = networkOf(model, size);
  return {
    model,
    name: network.name,
    run: (context) => benchModel(() => benchedNetwork(getEngine(), network), context, twin),
    ...(isSam2(model) ? { curves: (options) => measureSam2Curves(model, { ...options, size }) } : {}),
  };
}

function networkOf(model: Exclude<BenchModel, BenchTracker>, size: Size | undefined): Network {
  if (model === 'grounding-dino-t') return groundingDino(size?.height ?? 480, size?.width ?? 640);
  if (model === 'sam-decoder') return samDecoder();
  if (model === 'sam2.1-memory-attention') return sam2MemoryAttention(size?.height);
  return isSam2(model) ? sam2Encoder(model, size?.height) : samEncoder(model);
}
