import type { Tensor } from '@tensorflow/tfjs-core';
import { fields, float32, listOf, number, numbers, optional, variant } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import { gemm, type MatmulVariant } from '../gemm/index.js';
import { softmaxRows } from '../softmax/index.js';

/** Largest block of attention weights that is held at once, in bytes, unless the caller says otherwise. */
const WORKSPACE_BYTES = 32 * 2 ** 20;

/** Options of `gatedAttention`. */
export interface GatedAttentionOptions {
  /** Forces a kernel of the products; for tests and benchmarks. */
  variant?: MatmulVariant | undefined;
  /** Attention weights held at once, in bytes; 32 MiB by default. */
  workspaceBytes?: number | undefined;
}

/** Operands of `gatedAttention`. */
export interface GatedAttentionInput {
  /** float32 [T, *]; the queries are its columns `queryColumns`, all by default. */
  query: Tensor;
  queryColumns?: readonly [first: number, count: number];
  /** Keys, transposed: float32 [d, capacity], capacity a multiple of 4, of which the first `validKeys` columns count. */
  keys: Tensor;
  /** Values with as many rows as `keys` has columns, float32 [>= validKeys, C], finite. Gates [T, C]. */
  values: readonly { tensor: Tensor; gate?: Tensor }[];
  validKeys: number;
  /** Factor of the scores, 1/sqrt(d) as a rule. */
  scale: number;
}

/**
 * Gated attention over any number of memory tokens, `softmax(scale Q K) V * gate` for several values that share one
 * attention map (DeAOT, gated propagation, eq. 4; no position term).
 *
 * The map is computed in blocks of query rows, so that it never needs more than 32 MiB however long the memory is; each
 * block is a matrix product, a row softmax and a product for each value with the gate in its epilogue.
 *
 * @returns float32 [T, C1 + C2 + ...], the gated results side by side.
 * @throws ShapeError when the operands do not fit.
 */
export const gatedAttention = defineOp({
  name: 'attention',
  takes: {
    input: fields<GatedAttentionInput>({
      query: float32,
      queryColumns: optional(numbers),
      keys: float32,
      values: listOf(fields<GatedAttentionInput['values'][number]>({ tensor: float32, gate: optional(float32) })),
      validKeys: number,
      scale: number,
    }),
    options: fields<GatedAttentionOptions>({ variant, workspaceBytes: optional(number) }),
  },
  kernels: [],
  run(call, input: GatedAttentionInput, options: GatedAttentionOptions = {}): Tensor {
    const { query, keys, values, validKeys, scale } = input;
    const { variant, workspaceBytes = WORKSPACE_BYTES } = options;
    const tokens = query.shape[0]!;
    const columns = input.queryColumns ?? [0, query.shape[1]!];
    const [depth, capacity] = keys.shape as [number, number];
    if (columns[1] !== depth || capacity % 4 !== 0 || validKeys < 1 || validKeys > capacity) {
      throw call.wrong(`keys of [${columns[1]}, >= ${validKeys}], columns a multiple of 4`, {
        query,
        keys,
      });
    }
    for (const { tensor, gate } of values) {
      if (tensor.rank !== 2 || tensor.shape[0]! < validKeys) {
        throw call.wrong(`values of ${validKeys} rows`, { keys, tensor });
      }
      if (gate && gate.size !== tokens * tensor.shape[1]!) {
        throw call.wrong('a gate as large as the result', { tensor, gate });
      }
    }
    const padded = Math.ceil(validKeys / 4) * 4;
    const width = values.reduce((sum, { tensor }) => sum + tensor.shape[1]!, 0);
    const out = call.allocate([tokens, width]);
    const blockRows = Math.min(tokens, Math.max(1, Math.floor(workspaceBytes / (padded * 4))));
    for (let row = 0; row < tokens; row += blockRows) {
      const rows = Math.min(blockRows, tokens - row);
      const weights = gemm(query, keys, {
        aRows: [row, rows],
        aColumns: columns,
        bBlock: [depth, padded],
        alpha: scale,
        variant,
      });
      softmaxRows(weights, validKeys);
      let column = 0;
      for (const { tensor, gate } of values) {
        const channels = tensor.shape[1]!;
        gemm(weights, tensor, { bBlock: [padded, channels], gate, into: { tensor: out, row, column }, variant });
        column += channels;
      }
      weights.dispose();
    }
    return out;
  },
});
