import { backend_util, slice_util, type Tensor, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { OnnxTrace } from './trace.js';

type Inputs = Readonly<Record<string, TensorInfo>>;
type Attributes = Readonly<Record<string, unknown>>;
type GraphKernel = (trace: OnnxTrace, inputs: Inputs, attributes: Attributes) => TensorInfo;

const elementwise =
  (operator: string): GraphKernel =>
  (trace, { a, b }) => {
    const shape = backend_util.assertAndGetBroadcastShape(a!.shape, b!.shape);
    const name = trace.graph.node(operator, [trace.rows(a!).name, trace.rows(b!).name]);
    return trace.info(shape, { name, layout: 'rows', shape }, a!.dtype as 'float32');
  };

const unary =
  (operator: string): GraphKernel =>
  (trace, { x }) => {
    const value = trace.stored(x!);
    return trace.info(x!.shape, { ...value, name: trace.graph.node(operator, [value.name]) });
  };

const reduction =
  (operator: string): GraphKernel =>
  (trace, { x }, { reductionIndices, axis, keepDims }) => {
    const axes = util.parseAxisParam((reductionIndices ?? axis) as number[], x!.shape);
    const [reduced] = backend_util.computeOutAndReduceShapes(x!.shape, axes);
    const shape = keepDims ? backend_util.expandShapeToKeepDim(reduced!, axes) : reduced!;
    const name = trace.graph.node(operator, [trace.rows(x!).name, trace.graph.ints(...axes)], {
      keepdims: keepDims ? 1 : 0,
    });
    return trace.info(shape, { name, layout: 'rows', shape });
  };

/** tfjs's own operations that networks use between ours, as nodes. */
export const GRAPH_KERNELS: Readonly<Record<string, GraphKernel>> = {
  Add: elementwise('Add'),
  Sub: elementwise('Sub'),
  Multiply: elementwise('Mul'),
  RealDiv: elementwise('Div'),
  Maximum: elementwise('Max'),
  Minimum: elementwise('Min'),
  Pow: elementwise('Pow'),
  Abs: unary('Abs'),
  Sqrt: unary('Sqrt'),
  Exp: unary('Exp'),
  Sigmoid: unary('Sigmoid'),
  Sum: reduction('ReduceSum'),
  Max: reduction('ReduceMax'),
  Concat: (trace, inputs, { axis }) => {
    const parts = Object.values(inputs);
    const shape = backend_util.computeOutShape(
      parts.map((part) => part.shape),
      axis as number,
    );
    const names = parts.map((part) => trace.rows(part).name);
    const name = trace.graph.node('Concat', names, { axis: axis as number });
    return trace.info(shape, { name, layout: 'rows', shape }, parts[0]!.dtype as 'float32');
  },
  GatherV2: (trace, { x, indices }, { axis }) => {
    const at = axis as number;
    const shape = [...x!.shape.slice(0, at), ...indices!.shape, ...x!.shape.slice(at + 1)];
    const name = trace.graph.node('Gather', [trace.rows(x!).name, trace.rows(indices!).name], { axis: at });
    return trace.info(shape, { name, layout: 'rows', shape }, x!.dtype as 'float32');
  },
  PadV2: (trace, { x }, { paddings, constantValue }) => {
    const sides = paddings as readonly (readonly [number, number])[];
    const shape = x!.shape.map((side, i) => side + sides[i]![0] + sides[i]![1]);
    const amounts = trace.graph.ints(...sides.map(([before]) => before), ...sides.map(([, after]) => after));
    const name = trace.graph.node('Pad', [trace.rows(x!).name, amounts, trace.scalar(constantValue as number)]);
    return trace.info(shape, { name, layout: 'rows', shape });
  },
  Slice: (trace, { x }, { begin, size }) => {
    const [first, shape] = slice_util.parseSliceParams(x as Tensor, begin as number[], size as number[]) as [
      number[],
      number[],
    ];
    const end = first.map((at, axis) => at + shape[axis]!);
    const name = trace.graph.node('Slice', [trace.rows(x!).name, trace.graph.ints(...first), trace.graph.ints(...end)]);
    return trace.info(shape, { name, layout: 'rows', shape }, x!.dtype as 'float32');
  },
  Transpose: (trace, { x }, { perm }) => {
    const order = perm as number[];
    const shape = order.map((axis) => x!.shape[axis]!);
    const name = trace.graph.node('Transpose', [trace.rows(x!).name], { perm: order });
    return trace.info(shape, { name, layout: 'rows', shape }, x!.dtype as 'float32');
  },
};
