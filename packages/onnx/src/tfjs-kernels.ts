import {
  backend_util,
  getKernel,
  type KernelFunc,
  registerKernel,
  slice_util,
  type Tensor,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import type { OnnxBackend } from './backend.js';
import type { OnnxEngine } from './engine.js';
import { ELEMENT_TYPES as ONNX_TYPES } from './graph/graph.js';

type Inputs = Readonly<Record<string, TensorInfo>>;
type Attributes = Readonly<Record<string, unknown>>;
type Kernel = (engine: OnnxEngine, inputs: Inputs, attributes: Attributes) => TensorInfo;

const elementwise =
  (operator: string): Kernel =>
  ({ trace }, { a, b }) => {
    const shape = backend_util.assertAndGetBroadcastShape(a!.shape, b!.shape);
    const name = trace.graph.node(operator, [trace.rows(a!).name, trace.rows(b!).name]);
    return trace.info(shape, { name, layout: 'rows', shape }, a!.dtype as 'float32');
  };

const unary =
  (operator: string): Kernel =>
  ({ trace }, { x }) => {
    const value = trace.stored(x!);
    return trace.info(x!.shape, { ...value, name: trace.graph.node(operator, [value.name]) });
  };

const reduction =
  (operator: string): Kernel =>
  ({ trace }, { x }, { reductionIndices, axis, keepDims }) => {
    const axes = util.parseAxisParam((reductionIndices ?? axis) as number[], x!.shape);
    const [reduced] = backend_util.computeOutAndReduceShapes(x!.shape, axes);
    const shape = keepDims ? backend_util.expandShapeToKeepDim(reduced!, axes) : reduced!;
    const name = trace.graph.node(operator, [trace.rows(x!).name, trace.graph.ints(...axes)], {
      keepdims: keepDims ? 1 : 0,
    });
    return trace.info(shape, { name, layout: 'rows', shape });
  };

/** The same data under another shape. */
const alias = (engine: OnnxEngine, { x }: Inputs, shape: number[]): TensorInfo => {
  engine.data(x!.dataId).refs++;
  return { dataId: x!.dataId, shape, dtype: x!.dtype };
};

/** tfjs's own operations that networks use between ours. */
const KERNELS: Readonly<Record<string, Kernel>> = {
  Identity: (engine, inputs) => alias(engine, inputs, inputs['x']!.shape),
  Reshape: (engine, inputs, { shape }) =>
    alias(engine, inputs, util.inferFromImplicitShape(shape as number[], util.sizeFromShape(inputs['x']!.shape))),
  Cast: (engine, inputs, { dtype }) => {
    const x = inputs['x']!;
    if (x.dtype === dtype) return alias(engine, inputs, x.shape);
    const value = engine.trace.stored(x);
    const to = dtype === 'int32' ? ONNX_TYPES.int32 : ONNX_TYPES.float32;
    const name = engine.trace.graph.node('Cast', [value.name], { to });
    return engine.trace.info(x.shape, { ...value, name }, dtype as 'float32');
  },
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
  Concat: ({ trace }, inputs, { axis }) => {
    const parts = Object.values(inputs);
    const shape = backend_util.computeOutShape(
      parts.map((part) => part.shape),
      axis as number,
    );
    const names = parts.map((part) => trace.rows(part).name);
    const name = trace.graph.node('Concat', names, { axis: axis as number });
    return trace.info(shape, { name, layout: 'rows', shape }, parts[0]!.dtype as 'float32');
  },
  GatherV2: ({ trace }, { x, indices }, { axis }) => {
    const at = axis as number;
    const shape = [...x!.shape.slice(0, at), ...indices!.shape, ...x!.shape.slice(at + 1)];
    const name = trace.graph.node('Gather', [trace.rows(x!).name, trace.rows(indices!).name], { axis: at });
    return trace.info(shape, { name, layout: 'rows', shape }, x!.dtype as 'float32');
  },
  PadV2: ({ trace }, { x }, { paddings, constantValue }) => {
    const sides = paddings as readonly (readonly [number, number])[];
    const shape = x!.shape.map((side, i) => side + sides[i]![0] + sides[i]![1]);
    const amounts = trace.graph.ints(...sides.map(([before]) => before), ...sides.map(([, after]) => after));
    const name = trace.graph.node('Pad', [trace.rows(x!).name, amounts, trace.scalar(constantValue as number)]);
    return trace.info(shape, { name, layout: 'rows', shape });
  },
  Slice: ({ trace }, { x }, { begin, size }) => {
    const [first, shape] = slice_util.parseSliceParams(x as Tensor, begin as number[], size as number[]) as [
      number[],
      number[],
    ];
    const end = first.map((at, axis) => at + shape[axis]!);
    const name = trace.graph.node('Slice', [trace.rows(x!).name, trace.graph.ints(...first), trace.graph.ints(...end)]);
    return trace.info(shape, { name, layout: 'rows', shape }, x!.dtype as 'float32');
  },
  Transpose: ({ trace }, { x }, { perm }) => {
    const order = perm as number[];
    const shape = order.map((axis) => x!.shape[axis]!);
    const name = trace.graph.node('Transpose', [trace.rows(x!).name], { perm: order });
    return trace.info(shape, { name, layout: 'rows', shape }, x!.dtype as 'float32');
  },
};

/** Makes tfjs's operations part of the graphs of whatever engine has the backend. Once for a name. */
export function registerKernels(backendName: string): void {
  if (getKernel('Identity', backendName)) return;
  for (const [kernelName, kernel] of Object.entries(KERNELS)) {
    const kernelFunc: KernelFunc = ({ inputs, attrs, backend }) =>
      kernel((backend as OnnxBackend).engine, inputs as unknown as Inputs, (attrs ?? {}) as Attributes);
    registerKernel({ kernelName, backendName, kernelFunc });
  }
}
