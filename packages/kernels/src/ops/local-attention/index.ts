import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { supportsBroadcast } from '../../families/attention/index.js';
import { WINDOW_INCLUDES } from '../../families/window/index.js';
import {
  fields,
  float32,
  listOf,
  number,
  numbers,
  optional,
  type VariantOptions,
  variantOptions,
} from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import { softmaxRows } from '../softmax/index.js';
import scoresWgsl from './scores.wgsl';
import weighWgsl from './weigh.wgsl';

/** `broadcast`: operands shared by shuffles. `direct`: every invocation loads them, which a GPU's caches make cheap. */
export type LocalAttentionVariant = 'broadcast' | 'direct';

const kernelsOf = (variant: LocalAttentionVariant) => {
  const params = { SUBGROUP: variant === 'broadcast' };
  return {
    scores: defineKernel({
      name: `local-attention/scores-${variant}`,
      template: scoresWgsl,
      includes: WINDOW_INCLUDES,
      params,
    }),
    weigh: defineKernel({ name: `local-attention/weigh-${variant}`, template: weighWgsl, params, optional: ['gate'] }),
  };
};
const kernels = { broadcast: kernelsOf('broadcast'), direct: kernelsOf('direct') };

/** What the choice of a kernel depends on. */
interface LocalAttentionShape {
  height: number;
  width: number;
  window: number;
  /** Channels of queries and keys. */
  depth: number;
  /** Channels of all values together. */
  channels: number;
}

/** Operands of `localGatedAttention`; T = height * width, row-major. */
export interface LocalGatedAttentionInput {
  height: number;
  width: number;
  /** Odd side of the square window. */
  window: number;
  /** float32 [T, *]; the queries are its columns `queryColumns`, all by default. */
  query: Tensor;
  queryColumns?: readonly [first: number, count: number];
  /** float32 [T, *]; the keys are its columns `keyColumns`, all by default. */
  key: Tensor;
  keyColumns?: readonly [first: number, count: number];
  /** Term added to the scaled scores: float32 [T, >= window^2], column (dy + radius) * window + dx + radius. */
  relative: Tensor;
  /** Values float32 [T, C] that share the attention weights, and gates of the same shape. */
  values: readonly { tensor: Tensor; gate?: Tensor }[];
  /** Factor of the scores, 1/sqrt(d) as a rule. */
  scale: number;
}

/**
 * Gated attention in a window around each query: `softmax(scale q K + relative) V * gate` over the window's positions
 * inside the map (DeAOT, short-term propagation). Nothing of size tokens x tokens is built.
 *
 * @returns float32 [T, C1 + C2 + ...], the gated results side by side.
 * @throws ShapeError when the operands do not fit.
 */
export const localGatedAttention = defineOp({
  name: 'local-attention',
  takes: {
    input: fields<LocalGatedAttentionInput>({
      height: number,
      width: number,
      window: number,
      query: float32,
      queryColumns: optional(numbers),
      key: float32,
      keyColumns: optional(numbers),
      relative: float32,
      values: listOf(fields<LocalGatedAttentionInput['values'][number]>({ tensor: float32, gate: optional(float32) })),
      scale: number,
    }),
    options: variantOptions,
  },
  kernels: Object.values(kernels).flatMap((family) => Object.values(family)),
  supported: (_: LocalAttentionShape, adapter): readonly LocalAttentionVariant[] =>
    supportsBroadcast(adapter) ? ['broadcast', 'direct'] : ['direct'],
  select: (_, adapter) => (adapter.kind === 'software' && supportsBroadcast(adapter) ? 'broadcast' : 'direct'),
  work: ({ height, width, window, depth, channels }) => ({
    flops: 2 * height * width * window ** 2 * (depth + channels),
    bytes: 4 * height * width * (2 * depth + window ** 2 + 2 * channels),
  }),
  run(call, input: LocalGatedAttentionInput, _options: VariantOptions<LocalAttentionVariant> = {}): Tensor {
    const { height, width, window, query, key, relative, values, scale } = input;
    const tokens = height * width;
    const [queryColumn, depth] = input.queryColumns ?? [0, query.shape[1]!];
    const [keyColumn, keyDepth] = input.keyColumns ?? [0, key.shape[1]!];
    const operands = { query, key, relative };
    if (query.shape[0] !== tokens || key.shape[0] !== tokens || relative.shape[0] !== tokens) {
      throw call.wrong(`${tokens} rows in every operand`, operands);
    }
    if (depth !== keyDepth || depth % 4 !== 0 || window % 2 !== 1 || relative.shape[1]! < window * window) {
      throw call.wrong(`equal depths, and ${window * window} relative terms`, operands);
    }
    for (const { tensor, gate } of values) {
      const fits = tensor.shape[0] === tokens && tensor.shape[1]! % 4 === 0 && (!gate || gate.size === tensor.size);
      if (!fits) throw call.wrong(`values [${tokens}, C], C a multiple of 4, and gates alike`, { tensor });
    }
    const outWidth = values.reduce((sum, { tensor }) => sum + tensor.shape[1]!, 0);
    const variant = call.choose({ height, width, window, depth, channels: outWidth });
    const { scores, weigh } = kernels[variant];
    const radius = (window - 1) / 2;
    // Positions that 8 neighbouring queries see in one row of the window, padded for vector loads.
    const columns = Math.ceil((8 + window - 1) / 4) * 4;
    const rowBlocks = Math.ceil(width / 8);
    const blocks = rowBlocks * height;
    const threadsOf = (direct: number) => (variant === 'broadcast' ? call.adapter.subgroupSize : direct);
    const paramsOf = (threads: number) => ({
      THREADS: threads,
      QUERY_LOADS: Math.ceil(8 / threads),
      WINDOW: window,
      RADIUS: radius,
      COLUMNS: columns,
    });

    const scoreThreads = threadsOf(32);
    const weights = call.allocate([blocks * 8, window * columns]);
    call.launch(scores, {
      params: { PER_LANE: Math.ceil(columns / scoreThreads), ...paramsOf(scoreThreads) },
      tensors: { scores: weights, ...operands },
      uniforms: {
        width,
        height,
        rowBlocks,
        queryStride4: query.shape[1]! / 4,
        queryOffset4: queryColumn / 4,
        keyStride4: key.shape[1]! / 4,
        keyOffset4: keyColumn / 4,
        depth4: depth / 4,
        relativeStride: relative.shape[1]!,
        scale,
      },
      workgroups: [blocks, window],
    });
    softmaxRows(weights);

    const out = call.allocate([tokens, outWidth]);
    const weighThreads = threadsOf(64);
    let column = 0;
    for (const { tensor, gate } of values) {
      const channels4 = tensor.shape[1]! / 4;
      call.launch(weigh, {
        params: paramsOf(weighThreads),
        tensors: { weights, values: tensor, gate, out },
        uniforms: { width, height, rowBlocks, channels4, outStride4: outWidth / 4, outOffset4: column / 4 },
        workgroups: [blocks, Math.ceil(channels4 / weighThreads)],
      });
      column += tensor.shape[1]!;
    }
    weights.dispose();
    return out;
  },
});
