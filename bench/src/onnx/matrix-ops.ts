import type { OpSet } from '@samtrack/kernels';
import { type OnnxTrace, OnnxTraceError } from './trace.js';

type MatrixOps = Pick<
  OpSet,
  'gemm' | 'layerNorm' | 'linearConcat' | 'concatColumns' | 'transpose' | 'gatherRows' | 'broadcastAdd' | 'feedForward'
>;

/** Operations on rows of channels. */
export function matrixOps(trace: OnnxTrace): MatrixOps {
  const ops: MatrixOps = {
    gemm: (a, b, options = {}) => {
      if (a.rank !== 2) throw new OnnxTraceError('a batch of matrix products has no translation to ONNX yet.');
      const { bias, gate, residual, activation, alpha = 1, aColumns, aRows, bBlock } = options;
      const left = trace.slice(trace.slice(trace.rows(a), aRows, 0), aColumns, 1);
      let right = trace.rows(b);
      if (bBlock) right = trace.slice(trace.slice(right, [0, bBlock[0]], 0), [0, bBlock[1]], 1);
      const shape = [aRows?.[1] ?? a.shape[0]!, right.shape[1]!];
      let out = trace.graph.node('MatMul', [left.name, right.name]);
      if (alpha !== 1) out = trace.graph.node('Mul', [out, trace.scalar(alpha)]);
      if (bias) out = trace.graph.node('Add', [out, trace.rows(bias).name]);
      out = trace.activate(out, activation);
      if (gate) out = trace.graph.node('Mul', [out, trace.rows(gate, shape).name]);
      if (residual) out = trace.graph.node('Add', [out, trace.rows(residual, shape).name]);
      return trace.tensor(shape, { name: out, layout: 'rows', shape });
    },
    layerNorm: (x, weight, bias, { groups = 1, eps = 1e-5, activation } = {}) => {
      const input = trace.rows(x);
      const width = x.shape.at(-1)!;
      const epsilon = { axis: -1, epsilon: { float: eps } };
      if (groups === 1) {
        const operands = [input.name, trace.rows(weight, [width]).name, trace.rows(bias, [width]).name];
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
    linearConcat: (parts) => {
      const outputs = parts.map(({ x, weight, bias, activation, residual, xColumns }) =>
        trace.rows(ops.gemm(x, weight, { bias, activation, residual, aColumns: xColumns })),
      );
      return trace.concat(outputs);
    },
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
      const hidden = ops.gemm(x, first.weight, { bias: first.bias, activation });
      return ops.gemm(hidden, second.weight, { bias: second.bias, residual });
    },
    // What is none is a row before all others.
    gatherRows: (x, rows, fill) => {
      const columns = x.shape[1]!;
      const first = fill ? trace.rows(fill, [1, columns]).name : trace.fill(0, [1, columns]);
      const table = trace.graph.node('Concat', [first, trace.rows(x).name], { axis: 0 });
      const index = trace.graph.node('Add', [trace.rows(rows).name, trace.graph.constant(Int32Array.of(1), [])]);
      const shape = [rows.size, columns];
      return trace.tensor(shape, {
        name: trace.graph.node('Gather', [table, index], { axis: 0 }),
        layout: 'rows',
        shape,
      });
    },
    broadcastAdd: (x, y, { activation } = {}) => {
      const shape = x.size >= y.size ? x.shape : y.shape;
      const sum = trace.graph.node('Add', [trace.rows(x).name, trace.rows(y).name]);
      return trace.tensor(shape, { name: trace.activate(sum, activation), layout: 'rows', shape });
    },
  };
  return ops;
}
