import { fusedOps, getRuntime, type OpSet } from '@samtrack/kernels';
import {
  graphOps,
  OnnxTrace,
  OnnxTraceError,
  type TensorData,
  type TensorTable,
  type Value,
  weightBytes,
} from '@samtrack/onnx/tracing';
import { keep, Tensor, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { OnnxModel } from './session.js';

/** What is neither an input nor computed from one: values that are read when the graph is finished, as they may be on the GPU. */
class Constants implements TensorTable {
  readonly #known = new Map<object, TensorData>();
  /** References of our own: a tensor may be gone before the graph is finished. */
  readonly #tensors = new Map<TensorData, Tensor>();

  get(tensor: TensorInfo): TensorData {
    let data = this.#known.get(tensor.dataId);
    if (!data) {
      const dtype = tensor.dtype === 'int32' ? 'int32' : 'float32';
      data = { id: this.#known.size, dtype, layout: 'rows', shape: tensor.shape, constant: true, refs: 1 };
      this.#known.set(tensor.dataId, data);
      this.#tensors.set(data, keep((tensor as Tensor).clone()));
    }
    return data;
  }

  /** Results of operations are known by nothing else. */
  add(): object {
    return {};
  }

  async values(data: TensorData): Promise<Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>> {
    const bytes = await getRuntime().read(this.#tensors.get(data)!);
    return data.dtype === 'int32' ? new Int32Array(bytes) : new Float32Array(bytes);
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
  }
}

/**
 * Operations that compute as the kernels do and write down an ONNX graph beside it: a network built on `tracer.ops` and
 * run once leaves its graph, with its weights. It is the graph that our engine for CPUs runs, whole: what is read back and
 * decided on the CPU on the way, such as the choice of the best of many, is a constant of the graph.
 *
 *     const tracer = new OnnxTracer();
 *     tracer.input('x', x);
 *     const y = tracer.output(network(tracer.ops, x));
 *     const { model, weights } = await tracer.finish();
 */
export class OnnxTracer extends OnnxTrace {
  readonly ops: OpSet;
  readonly #constants: Constants;
  /** Data of inputs and of what was computed from them. */
  readonly #traced = new WeakSet<object>();

  constructor() {
    const constants = new Constants();
    super(constants);
    this.#constants = constants;
    const translations: Partial<OpSet> = graphOps(this);
    const traced = (name: keyof OpSet) => {
      const compute = fusedOps[name] as (...args: unknown[]) => unknown;
      const translate = translations[name] as typeof compute | undefined;
      return (...args: unknown[]) => {
        const result = compute(...args);
        // What does not depend on an input is a constant.
        if (!this.#dependsOnInput(args)) return result;
        if (!translate) throw new OnnxTraceError(`"${name}" has no translation to ONNX.`);
        this.#realiseAll(result, translate(...args));
        return result;
      };
    };
    const names = Object.keys(fusedOps) as (keyof OpSet)[];
    this.ops = Object.fromEntries(names.map((name) => [name, traced(name)])) as unknown as OpSet;
  }

  /** Makes a tensor an input of the graph; every other tensor that was not computed from one is a constant. */
  input(name: string, tensor: Tensor): void {
    this.realise(tensor, { name: this.graph.input(name, tensor.shape), layout: 'rows', shape: tensor.shape });
  }

  /** Makes an image [H, W, *] an input [1, channels, H, W]. */
  imageInput(name: string, tensor: Tensor, channels = tensor.shape[2]!): void {
    const shape = [1, channels, tensor.shape[0]!, tensor.shape[1]!];
    this.realise(tensor, { name: this.graph.input(name, shape), layout: 'image', shape });
  }

  /** Makes what an operation returned an output: images as [1, C, H, W]. */
  output(tensor: Tensor): Value {
    const value = this.stored(tensor);
    this.graph.output(value.name, value.shape);
    return value;
  }

  /** Whether a tensor is an input, or was computed from one. */
  isTraced({ dataId }: Pick<TensorInfo, 'dataId'>): boolean {
    return this.#traced.has(dataId);
  }

  /** Says what a computed tensor is in the graph. */
  realise(tensor: Pick<TensorInfo, 'dataId'>, value: Value): void {
    this.bind(tensor, value);
    this.#traced.add(tensor.dataId);
  }

  /** Stands for the result of an operation that is not computed; for the graph it is as good as the tensor. */
  override tensor(shape: readonly number[], value: Value, dtype: 'float32' | 'int32' = 'float32'): Tensor {
    const sketch = this.info(shape, value, dtype);
    return { ...sketch, rank: shape.length, size: util.sizeFromShape([...shape]) } as unknown as Tensor;
  }

  /** The model, and the values of its constants. */
  async finish(): Promise<OnnxModel> {
    const { model, used } = this.graph.finish();
    const weights: { path: string; data: Uint8Array }[] = [];
    for (const { name, data, arrange } of this.weights.values()) {
      if (!used.has(name)) continue;
      weights.push({
        path: name,
        data: weightBytes(await this.#constants.values(data), arrange),
      });
    }
    this.#constants.dispose();
    return { model, weights };
  }

  #dependsOnInput(value: unknown): boolean {
    if (value instanceof Tensor) return this.isTraced(value);
    if (typeof value !== 'object' || value === null) return false;
    return Object.values(value).some((part) => this.#dependsOnInput(part));
  }

  /** Results are a tensor, or an object of tensors. */
  #realiseAll(result: unknown, sketch: unknown): void {
    if (result instanceof Tensor) {
      this.realise(result, this.stored(sketch as Tensor));
      return;
    }
    const parts = sketch as Record<string, Tensor>;
    for (const [key, part] of Object.entries(result as Record<string, Tensor>)) {
      this.realise(part, this.stored(parts[key]!));
    }
  }
}
