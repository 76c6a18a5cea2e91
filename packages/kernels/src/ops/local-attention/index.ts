import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram, f32 } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { ShapeError } from '../shape-error.js';
import { softmaxRows } from '../softmax/index.js';
import scoresWgsl from './scores.wgsl';
import type { LocalAttentionVariant } from './select.js';
import { tunedLocalAttention } from './tuning.js';
import weighWgsl from './weigh.wgsl';

export { type LocalAttentionVariant, selectLocalAttention, supportedLocalAttentionVariants } from './select.js';

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
export function localGatedAttention(
  input: LocalGatedAttentionInput,
  options: { variant?: LocalAttentionVariant } = {},
): Tensor {
  const { height, width, window, query, key, relative, values, scale } = input;
  const runtime = getRuntime();
  const tokens = height * width;
  const [queryColumn, depth] = input.queryColumns ?? [0, query.shape[1]!];
  const [keyColumn, keyDepth] = input.keyColumns ?? [0, key.shape[1]!];
  const operands = { query, key, relative };
  if (query.shape[0] !== tokens || key.shape[0] !== tokens || relative.shape[0] !== tokens) {
    throw new ShapeError('localGatedAttention', `${tokens} rows in every operand`, operands);
  }
  if (depth !== keyDepth || depth % 4 !== 0 || window % 2 !== 1 || relative.shape[1]! < window * window) {
    throw new ShapeError('localGatedAttention', `equal depths, and ${window * window} relative terms`, operands);
  }
  for (const { tensor, gate } of values) {
    const fits = tensor.shape[0] === tokens && tensor.shape[1]! % 4 === 0 && (!gate || gate.size === tensor.size);
    if (!fits)
      throw new ShapeError('localGatedAttention', `values [${tokens}, C], C a multiple of 4, and gates alike`, {
        tensor,
      });
  }
  const outWidth = values.reduce((sum, { tensor }) => sum + tensor.shape[1]!, 0);
  const shape = { height, width, window, depth, channels: outWidth };
  const variant =
    options.variant ?? runtime.chooser.choose(tunedLocalAttention, shape, localGatedAttention, [input, options]);
  const subgroup = variant === 'subgroup';
  const radius = (window - 1) / 2;
  // Positions that 8 neighbouring queries see in one row of the window, padded for vector loads.
  const columns = Math.ceil((8 + window - 1) / 4) * 4;
  const rowBlocks = Math.ceil(width / 8);
  const blocks = rowBlocks * height;
  const threads = (direct: number) => (subgroup ? runtime.adapterClass.subgroupSize : direct);
  const shared = (count: number) => ({
    SUBGROUP: subgroup,
    THREADS: count,
    QUERY_LOADS: Math.ceil(8 / count),
    WINDOW: window,
    RADIUS: radius,
    COLUMNS: columns,
  });

  const scoreThreads = threads(32);
  const weights = runtime.allocate([blocks * 8, window * columns]);
  runtime.launch({
    program: defineProgram({
      name: `local-attention/scores-${variant}`,
      template: scoresWgsl,
      params: { ...shared(scoreThreads), PER_LANE: Math.ceil(columns / scoreThreads) },
      buffers: ['read', 'read', 'read', 'write'],
    }),
    inputs: [query, key, relative],
    outputs: [weights],
    uniforms: [
      width,
      height,
      rowBlocks,
      query.shape[1]! / 4,
      queryColumn / 4,
      key.shape[1]! / 4,
      keyColumn / 4,
      depth / 4,
      relative.shape[1]!,
      f32(scale),
    ],
    workgroups: [blocks, window],
  });
  softmaxRows(weights);

  const out = runtime.allocate([tokens, outWidth]);
  const weighThreads = threads(64);
  let column = 0;
  for (const { tensor, gate } of values) {
    const channels4 = tensor.shape[1]! / 4;
    runtime.launch({
      program: defineProgram({
        name: `local-attention/weigh-${variant}`,
        template: weighWgsl,
        params: { ...shared(weighThreads), GATE: gate ? 1 : 0 },
        buffers: gate ? ['read', 'read', 'read', 'write'] : ['read', 'read', 'write'],
      }),
      inputs: gate ? [weights, tensor, gate] : [weights, tensor],
      outputs: [out],
      uniforms: [width, height, rowBlocks, channels4, outWidth / 4, column / 4],
      workgroups: [blocks, Math.ceil(channels4 / weighThreads)],
    });
    column += tensor.shape[1]!;
  }
  weights.dispose();
  return out;
}
