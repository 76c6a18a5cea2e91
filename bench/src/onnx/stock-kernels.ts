import { GRAPH_KERNELS } from '@samtrack/onnx/tracing';
import { getBackend, getKernel, registerKernel, type TensorInfo, unregisterKernel } from '@tensorflow/tfjs-core';
import type { OnnxTracer } from './tracer.js';

/** Runs `work` while tfjs's own operations on traced tensors are written down too. */
export async function withStockKernels<T>(trace: OnnxTracer, work: () => T | Promise<T>): Promise<T> {
  const backendName = getBackend();
  const originals = Object.keys(GRAPH_KERNELS).flatMap((name) => getKernel(name, backendName) ?? []);
  for (const original of originals) {
    const translate = GRAPH_KERNELS[original.kernelName]!;
    replace({
      ...original,
      kernelFunc: (parameters) => {
        const out = original.kernelFunc(parameters) as TensorInfo;
        const inputs = parameters.inputs as unknown as Readonly<Record<string, TensorInfo>>;
        if (Object.values(inputs).some((input) => trace.isTraced(input))) {
          const { dataId } = translate(trace, inputs, (parameters.attrs ?? {}) as Readonly<Record<string, unknown>>);
          trace.realise(out, trace.value(dataId));
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
