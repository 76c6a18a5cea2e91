import { fusedOps, type OpSet } from '@samtrack/kernels';
import { Tensor } from '@tensorflow/tfjs-core';
import { attentionOps } from './attention-ops.js';
import { detectionOps } from './detection-ops.js';
import { imageOps } from './image-ops.js';
import { matrixOps } from './matrix-ops.js';
import { OnnxTrace, OnnxTraceError } from './trace.js';

/**
 * Operations that compute as the kernels do and write down an ONNX graph beside it: a network built on `tracer.ops` and
 * run once leaves its graph, with its weights. The graph is what an exporter gives: one node an operation, nothing fused,
 * so that ONNX Runtime's own optimisations apply. What is read back and decided on the CPU on the way, such as the
 * choice of the best of many, is a constant of the graph.
 *
 *     const tracer = new OnnxTracer();
 *     tracer.input('x', x);
 *     tracer.output('y', network(tracer.ops, x));
 *     const model = await tracer.finish();
 */
export class OnnxTracer extends OnnxTrace {
  readonly ops: OpSet;

  constructor() {
    super();
    const translations: Partial<OpSet> = {
      ...matrixOps(this),
      ...imageOps(this),
      ...attentionOps(this),
      ...detectionOps(this),
    };
    const traced = (name: keyof OpSet) => {
      const compute = fusedOps[name] as (...args: unknown[]) => unknown;
      const translate = translations[name] as typeof compute | undefined;
      return (...args: unknown[]) => {
        const result = compute(...args);
        // What does not depend on an input is a constant.
        if (!this.#dependsOnInput(args)) return result;
        if (!translate) throw new OnnxTraceError(`"${name}" has no translation to ONNX yet.`);
        this.#realiseAll(result, translate(...args));
        return result;
      };
    };
    const names = Object.keys(fusedOps) as (keyof OpSet)[];
    this.ops = Object.fromEntries(names.map((name) => [name, traced(name)])) as unknown as OpSet;
  }

  #dependsOnInput(value: unknown): boolean {
    if (value instanceof Tensor) return this.isTraced(value);
    if (typeof value !== 'object' || value === null) return false;
    return Object.values(value).some((part) => this.#dependsOnInput(part));
  }

  /** Results are a tensor, or an object of tensors. */
  #realiseAll(result: unknown, sketch: unknown): void {
    if (result instanceof Tensor) {
      this.realise(result, sketch as Tensor);
      return;
    }
    const parts = sketch as Record<string, Tensor>;
    for (const [key, part] of Object.entries(result as Record<string, Tensor>)) this.realise(part, parts[key]!);
  }
}
