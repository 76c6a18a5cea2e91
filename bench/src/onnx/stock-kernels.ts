import { getBackend, getKernel, registerKernel, type TensorInfo, unregisterKernel } from '@tensorflow/tfjs-core';
import type { OnnxTrace, Value } from './trace.js';

type Inputs = Readonly<Record<string, TensorInfo>>;
type Attributes = Readonly<Record<string, unknown>>;
type Translate = (trace: OnnxTrace, inputs: Inputs, attributes: Attributes, out: TensorInfo) => string;

const elementwise =
  (operator: string): Translate =>
  (trace, { a, b }) =>
    trace.graph.node(operator, [trace.rows(a!).name, trace.rows(b!).name]);

/** tfjs's own operations that networks use between ours, by the name of their kernel. */
const TRANSLATIONS: Readonly<Record<string, Translate>> = {
  Add: elementwise('Add'),
  Sub: elementwise('Sub'),
  Multiply: elementwise('Mul'),
  Sigmoid: (trace, { x }) => trace.graph.node('Sigmoid', [trace.rows(x!).name]),
  Concat: (trace, inputs, { axis }) =>
    trace.graph.node(
      'Concat',
      Object.values(inputs).map((part) => trace.rows(part).name),
      { axis: axis as number },
    ),
  Max: (trace, { x }, { reductionIndices, keepDims }) =>
    trace.graph.node('ReduceMax', [trace.rows(x!).name, trace.graph.ints(...[reductionIndices as number].flat())], {
      keepdims: keepDims ? 1 : 0,
    }),
  GatherV2: (trace, { x, indices }, { axis }) =>
    trace.graph.node('Gather', [trace.rows(x!).name, trace.rows(indices!).name], { axis: axis as number }),
  PadV2: (trace, { x }, { paddings, constantValue }) => {
    const sides = paddings as readonly (readonly [number, number])[];
    const amounts = trace.graph.ints(...sides.map(([before]) => before), ...sides.map(([, after]) => after));
    return trace.graph.node('Pad', [trace.rows(x!).name, amounts, trace.scalar(constantValue as number)]);
  },
  Slice: (trace, { x }, { begin, size }) => {
    const first = begin as readonly number[];
    const count = size as readonly number[];
    const end = first.map((at, axis) => (count[axis] === -1 ? x!.shape[axis]! : at + count[axis]!));
    return trace.graph.node('Slice', [trace.rows(x!).name, trace.graph.ints(...first), trace.graph.ints(...end)]);
  },
  Transpose: (trace, { x }, { perm }) =>
    trace.graph.node('Transpose', [trace.rows(x!).name], { perm: perm as number[] }),
};

/** Runs `work` while tfjs's own operations on traced tensors are written down too. */
export async function withStockKernels<T>(trace: OnnxTrace, work: () => T | Promise<T>): Promise<T> {
  const backendName = getBackend();
  const originals = Object.keys(TRANSLATIONS).flatMap((name) => getKernel(name, backendName) ?? []);
  for (const original of originals) {
    const translate = TRANSLATIONS[original.kernelName]!;
    replace({
      ...original,
      kernelFunc: (parameters) => {
        const out = original.kernelFunc(parameters) as TensorInfo;
        const inputs = parameters.inputs as unknown as Inputs;
        if (Object.values(inputs).some((input) => trace.isTraced(input))) {
          const name = translate(trace, inputs, parameters.attrs ?? {}, out);
          trace.bind(out, { name, layout: 'rows', shape: out.shape } satisfies Value);
        }
        return out;
      },
    });
  }
  try {
    return await work();
  } finally {
    originals.forEach(replace);
  }
}

function replace(kernel: Parameters<typeof registerKernel>[0]): void {
  unregisterKernel(kernel.kernelName, kernel.backendName);
  registerKernel(kernel);
}
