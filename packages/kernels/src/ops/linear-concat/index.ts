import type { Tensor } from '@tensorflow/tfjs-core';
import { type Activation, activation } from '../../families/activation/index.js';
import { fields, float32, listOf, numbers, optional } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import { gemm } from '../gemm/index.js';

/** One of the products whose results stand side by side. */
export interface LinearPart {
  /** float32 [M, K]. */
  x: Tensor;
  /** float32 [K, N]. */
  weight: Tensor;
  /** Added to every row, [N]. */
  bias?: Tensor;
  activation?: Activation;
  /** Added last, [M, N]. */
  residual?: Tensor;
  /** Uses only these columns of `x`: [first, count]. */
  xColumns?: readonly [first: number, count: number];
}

/**
 * Several linear layers whose outputs form one matrix: `[act(x1 W1 + b1) | act(x2 W2 + b2) | ...]`, each written to its
 * columns directly.
 *
 * @returns float32 [M, N1 + N2 + ...].
 * @throws ShapeError when the operands do not fit.
 * @see `torch.cat` of `torch.nn.functional.linear`: https://pytorch.org/docs/stable/generated/torch.cat.html
 */
export const linearConcat = defineOp({
  name: 'linear-concat',
  takes: {
    parts: listOf(
      fields<LinearPart>({
        x: float32,
        weight: float32,
        bias: optional(float32),
        activation,
        residual: optional(float32),
        xColumns: optional(numbers),
      }),
    ),
  },
  kernels: [],
  run(call, parts: readonly LinearPart[]): Tensor {
    const rows = parts[0]?.x.shape[0] ?? 0;
    let width = 0;
    for (const { x, weight, bias, residual, xColumns = [0, x.shape[1]!] } of parts) {
      const [inputs, outputs] = weight.shape as [number, number];
      const product = x.rank === 2 && x.shape[0] === rows && xColumns[1] === inputs && weight.rank === 2;
      if (!product || xColumns[0] + inputs > x.shape[1]!) {
        throw call.wrong(`${rows} rows of as many columns as a weight has rows`, { x, weight });
      }
      if ((bias && bias.size !== outputs) || (residual && residual.size !== rows * outputs)) {
        throw call.wrong(`a bias of ${outputs} and a residual of [${rows}, ${outputs}]`, { bias, residual });
      }
      width += outputs;
    }
    const tensor = call.allocate([rows, width]);
    let column = 0;
    for (const { x, weight, bias, activation, residual, xColumns } of parts) {
      gemm(x, weight, { bias, activation, residual, aColumns: xColumns, into: { tensor, column } });
      column += weight.shape[1]!;
    }
    return tensor;
  },
});
