import { getKernel, type KernelFunc, registerKernel, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { OnnxBackend } from './backend.js';
import type { OnnxEngine } from './engine.js';
import { ELEMENT_TYPES as ONNX_TYPES } from './graph/graph.js';
import { GRAPH_KERNELS } from './graph-kernels.js';

type Inputs = Readonly<Record<string, TensorInfo>>;
type Attributes = Readonly<Record<string, unknown>>;
type Kernel = (engine: OnnxEngine, inputs: Inputs, attributes: Attributes) => TensorInfo;

/** The same data under another shape. */
const alias = (engine: OnnxEngine, { x }: Inputs, shape: number[]): TensorInfo => {
  engine.data(x!.dataId).refs++;
  return { dataId: x!.dataId, shape, dtype: x!.dtype };
};

/** Those that may do without a node. */
const ALIASES: Readonly<Record<string, Kernel>> = {
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
};

/** Makes tfjs's operations part of the graphs of whatever engine has the backend. Once for a name. */
export function registerKernels(backendName: string): void {
  if (getKernel('Identity', backendName)) return;
  const register = (kernelName: string, kernel: Kernel) => {
    const kernelFunc: KernelFunc = ({ inputs, attrs, backend }) =>
      kernel((backend as OnnxBackend).engine, inputs as unknown as Inputs, (attrs ?? {}) as Attributes);
    registerKernel({ kernelName, backendName, kernelFunc });
  };
  for (const [name, kernel] of Object.entries(ALIASES)) register(name, kernel);
  for (const [name, kernel] of Object.entries(GRAPH_KERNELS)) {
    register(name, ({ trace }, inputs, attributes) => kernel(trace, inputs, attributes));
  }
}
