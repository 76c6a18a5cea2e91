import type { OpSet } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import { OnnxTraceError } from '../error.js';
import type { OnnxTrace, Value } from '../trace.js';

type MatrixOps = Pick<
  OpSet,
  'gemm' | 'layerNorm' | 'linearConcat' | 'concatColumns' | 'transpose' | 'gatherRows' | 'broadcastAdd' | 'feedForward'
>;

/** Operations on rows of channels. */
export function matrixOps(trace: OnnxTrace): MatrixOps {
  /** `gemm` of a matrix, as a value of the graph. */
  const product = (a: Value, b: Tensor, options: NonNullable<Parameters<OpSet['gemm']>[2]>): Value => {
    const { bias, gate, residual, activation, alpha = 1, aColumns, aRows, bBlock } = options;
    const left = trace.slice(trace.slice(a, aRows, 0), aColumns, 1);
    let right: Value = { name: trace.parameter(b), layout: 'rows', shape: b.shape };
    if (bBlock) right = trace.slice(trace.slice(right, [0, bBlock[0]], 0), [0, bBlock[1]], 1);
    const shape = [left.shape[0]!, right.shape[1]!];
    let name = trace.graph.node('MatMul', [left.name, right.name]);
    if (alpha !== 1) name = trace.graph.node('Mul', [name, trace.scalar(alpha)]);
    if (bias) name = trace.graph.node('Add', [name, trace.parameter(bias)]);
    name = trace.activate(name, activation);
    if (gate) name = trace.graph.node('Mul', [name, trace.rows(gate, shape).name]);
    if (residual) name = trace.graph.node('Add', [name, trace.rows(residual, shape).name]);
    return { name, layout: 'rows', shape };
  };
  const batched: OpSet['gemm'] = (a, b, { bias, activation, alpha = 1, residual, gate, ...rest } = {}) => {
    if (Object.values(rest).some((option) => option !== undefined)) {
      throw new OnnxTraceError('a batch of matrix products of parts has no translation to ONNX.');
    }
    const shape = [...a.shape.slice(0, 2), b.shape[2]!];
    let out = trace.graph.node('MatMul', [trace.rows(a).name, trace.parameter(b)]);
    if (alpha !== 1) out = trace.graph.node('Mul', [out, trace.scalar(alpha)]);
    if (bias) out = trace.graph.node('Add', [out, trace.parameter(bias)]);
    out = trace.activate(out, activation);
    if (gate) out = trace.graph.node('Mul', [out, trace.rows(gate, shape).name]);
    if (residual) out = trace.graph.node('Add', [out, trace.rows(residual, shape).name]);
    return trace.tensor(shape, { name: out, layout: 'rows', shape });
  };
  return {
    gemm: (a, b, options = {}) => {
      if (b.dtype === 'int32') throw new OnnxTraceError('weights of float16 have no translation to ONNX.');
      if (a.rank === 3) return batched(a, b, options);
      const value = product(trace.rows(a), b, options);
      return trace.tensor(value.shape, value);
    },
    layerNorm: (x, weight, bias, { groups = 1, eps = 1e-5, activation } = {}) => {
      const input = trace.rows(x);
      const width = x.shape.at(-1)!;
      const epsilon = { axis: -1, epsilon: { float: eps } };
      if (groups === 1) {
        const operands = [input.name, trace.parameter(weight, [width]), trace.parameter(bias, [width])];
        const name = trace.activate(trace.graph.node('LayerNormalization', operands, epsilon), activation);
        return trace.tensor(x.shape, { name, layout: 'rows', shape: x.shape });
      }
      const channels = width / groups;
      const split = trace.reshape(input.name, [x.size / width, groups, channels]);
      const normal = trace.graph.node(
        'LayerNormalization',
        [split, trace.fill(1, [channels]), trace.fill(0, [channels])],
        epsilon,
      );
      const name = trace.activate(trace.affine(trace.reshape(normal, x.shape), weight, bias, [width]), activation);
      return trace.tensor(x.shape, { name, layout: 'rows', shape: x.shape });
    },
    linearConcat: (parts) =>
      trace.concat(
        parts.map(({ x, weight, bias, activation, residual, xColumns }) =>
          product(trace.rows(x), weight, { bias, activation, residual, aColumns: xColumns }),
        ),
      ),
    concatColumns: (parts) => trace.concat(parts.map(({ x, columns }) => trace.slice(trace.rows(x), columns, 1))),
    transpose: (x, { columns, padded } = {}) => {
      const source = trace.slice(trace.rows(x), columns, 1);
      const name = trace.graph.node('Transpose', [source.name], { perm: [1, 0] });
      const [rows, count] = source.shape as [number, number];
      // The padding is for our kernels only.
      const width = padded ? Math.ceil(rows / 4) * 4 : rows;
      return trace.tensor([count, width], { name, layout: 'rows', shape: [count, rows] });
    },
    feedForward: (x, first, second, { activation, residual }) => {
      const hidden = product(trace.rows(x), first.weight, { bias: first.bias, activation });
      const value = product(hidden, second.weight, { bias: second.bias, residual });
      return trace.tensor(value.shape, value);
    },
    // What is none is a row before all others.
    gatherRows: (x, rows, fill) => {
      const columns = x.shape[1]!;
      const first = fill ? trace.parameter(fill, [1, columns]) : trace.fill(0, [1, columns]);
      const table = trace.graph.node('Concat', [first, trace.rows(x).name], { axis: 0 });
      const one = trace.graph.constant(Int32Array.of(1), []);
      const index = trace.graph.node('Add', [trace.parameter(rows), one]);
      const shape = [rows.size, columns];
      const name = trace.graph.node('Gather', [table, index], { axis: 0 });
      return trace.tensor(shape, { name, layout: 'rows', shape });
    },
    broadcastAdd: (x, y, { activation } = {}) => {
      const shape = x.size >= y.size ? x.shape : y.shape;
      const name = trace.activate(trace.graph.node('Add', [trace.rows(x).name, trace.rows(y).name]), activation);
      return trace.tensor(shape, { name, layout: 'rows', shape });
    },
  };
}
