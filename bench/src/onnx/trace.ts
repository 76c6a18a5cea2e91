import { type Activation, getRuntime } from '@samtrack/kernels';
import { keep, type Tensor, type TensorInfo } from '@tensorflow/tfjs-core';
import { OnnxGraph } from './graph.js';

/** An operation or an option that has no translation to ONNX here. */
export class OnnxTraceError extends Error {
  override readonly name = 'OnnxTraceError';
}

/**
 * A value of the graph. ONNX convolutions want [1, C, H, W]; everything else is kept as the kernels have it, channels
 * last. What is missing is converted when it is needed, as an exporter from PyTorch would.
 */
export interface Value {
  readonly name: string;
  readonly layout: 'rows' | 'image';
  /** In ONNX. */
  readonly shape: readonly number[];
}

/** What stands for the result of an operation until it is computed. */
interface Sketch {
  readonly dataId: object;
  readonly shape: readonly number[];
}

/** A constant whose values are read when the graph is finished: they may be on the GPU. */
interface PendingConstant {
  readonly name: string;
  readonly tensor: Tensor;
  readonly shape: readonly number[];
  /** From the tensor's order to the constant's. */
  readonly arrange?: (values: Float32Array) => Float32Array;
}

/** A graph in the making, and what tensors stand for in it. */
export class OnnxTrace {
  readonly graph = new OnnxGraph();
  /** By tensor data, which reshaped tensors share. */
  readonly #values = new WeakMap<object, Value>();
  /** Data of inputs and of what was computed from them. */
  readonly #traced = new WeakSet<object>();
  readonly #converted = new Map<string, string>();
  readonly #filterNames = new WeakMap<object, string>();
  readonly #pending: PendingConstant[] = [];

  /** Makes a tensor an input of the graph; every other tensor that was not computed from one is a constant. */
  input(name: string, tensor: Tensor): void {
    this.graph.input(name, tensor.shape);
    this.bind(tensor, { name, layout: 'rows', shape: tensor.shape });
  }

  /** Makes an image [H, W, *] an input [1, channels, H, W]. */
  imageInput(name: string, tensor: Tensor, channels = tensor.shape[2]!): void {
    const shape = [1, channels, tensor.shape[0]!, tensor.shape[1]!];
    this.graph.input(name, shape);
    this.bind(tensor, { name, layout: 'image', shape });
  }

  /** Makes what an operation returned an output: images as [1, C, H, W]. */
  output(name: string, tensor: Tensor): void {
    const value = this.stored(tensor);
    this.graph.output(value.name, value.shape, name);
  }

  /** Whether a tensor is [1, C, H, W] in the graph. */
  isImage(tensor: Tensor): boolean {
    return this.stored(tensor).layout === 'image';
  }

  /** The model, with the values of all its constants. */
  async finish(): Promise<Uint8Array> {
    const runtime = getRuntime();
    for (const { name, tensor, shape, arrange } of this.#pending.splice(0)) {
      const bytes = await runtime.read(tensor);
      tensor.dispose();
      const values = tensor.dtype === 'int32' ? new Int32Array(bytes) : new Float32Array(bytes);
      this.graph.define(name, arrange && values instanceof Float32Array ? arrange(values) : values, shape);
    }
    return this.graph.finish();
  }

  /** Whether a tensor is an input, or was computed from one. */
  isTraced({ dataId }: { readonly dataId: object }): boolean {
    return this.#traced.has(dataId);
  }

  /** Says what a tensor is in the graph. */
  bind({ dataId }: { readonly dataId: object }, value: Value): void {
    this.#values.set(dataId, value);
    this.#traced.add(dataId);
  }

  /** Makes a computed tensor what its sketch is. */
  realise(tensor: { readonly dataId: object }, sketch: { readonly dataId: object }): void {
    this.bind(tensor, this.#values.get(sketch.dataId)!);
  }

  /** The result of an operation that is not computed yet; for the graph it is as good as the tensor. */
  tensor(shape: readonly number[], value: Value): Tensor {
    const sketch: Sketch & { rank: number; size: number } = {
      dataId: {},
      shape,
      rank: shape.length,
      size: shape.reduce((a, b) => a * b, 1),
    };
    this.bind(sketch, value);
    return sketch as unknown as Tensor;
  }

  stored(tensor: TensorInfo): Value {
    const known = this.#values.get(tensor.dataId);
    if (known) return known;
    const value: Value = { name: this.weight(tensor, tensor.shape), layout: 'rows', shape: tensor.shape };
    this.#values.set(tensor.dataId, value);
    return value;
  }

  rows(tensor: TensorInfo, shape: readonly number[] = tensor.shape): Value {
    const { name, layout, shape: from } = this.stored(tensor);
    if (layout === 'rows' && equal(from, shape)) return { name, layout, shape };
    const converted = this.once(`${name} rows ${shape}`, () => {
      const last = layout === 'rows' ? name : this.graph.node('Transpose', [name], { perm: [0, 2, 3, 1] });
      return this.reshape(last, shape);
    });
    return { name: converted, layout: 'rows', shape };
  }

  image(tensor: Tensor, [height, width, channels]: readonly number[] = tensor.shape): Value {
    const { name, layout, shape: from } = this.stored(tensor);
    if (layout === 'image') {
      // The kernels pad images of three channels to four.
      const shape = [1, from[1]!, height!, width!];
      if (equal(from, shape)) return { name, layout, shape };
      if (from[1] === channels) {
        return { name: this.once(`${name} image ${shape}`, () => this.reshape(name, shape)), layout, shape };
      }
    }
    const rows = this.rows(tensor, [1, height!, width!, channels!]).name;
    const shape = [1, channels!, height!, width!];
    const converted = this.once(`${rows} image ${shape}`, () =>
      this.graph.node('Transpose', [rows], { perm: [0, 3, 1, 2] }),
    );
    return { name: converted, layout: 'image', shape };
  }

  /** Weights [kh, kw, C, N] as [N, inputs, kh, kw], or [kh, kw, C, 1] as [C, 1, kh, kw]. */
  filters(weight: Tensor, inputs: number): string {
    const known = this.#filterNames.get(weight.dataId);
    if (known) return known;
    const [kh, kw, c, n] = weight.shape as [number, number, number, number];
    const depthwise = n === 1;
    const outputs = depthwise ? c : n;
    const arrange = (source: Float32Array) => {
      const out = new Float32Array(outputs * inputs * kh * kw);
      for (let tap = 0; tap < kh * kw; tap++) {
        for (let i = 0; i < inputs; i++) {
          for (let o = 0; o < outputs; o++) {
            out[(o * inputs + i) * kh * kw + tap] = source[depthwise ? tap * c + o : (tap * c + i) * n + o]!;
          }
        }
      }
      return out;
    };
    const name = this.weight(weight, [outputs, inputs, kh, kw], arrange);
    this.#filterNames.set(weight.dataId, name);
    return name;
  }

  weigh(scores: string, values: readonly { tensor: Tensor; gate?: Tensor }[], [rows, keys]: [number, number]): Tensor {
    const weights = this.graph.node('Softmax', [scores], { axis: -1 });
    return this.concat(
      values.map(({ tensor, gate }) => {
        const value = this.slice(this.rows(tensor), [0, keys], 0);
        const shape = [rows, value.shape[1]!];
        let name = this.graph.node('MatMul', [weights, value.name]);
        if (gate) name = this.graph.node('Mul', [name, this.rows(gate, shape).name]);
        return { name, layout: 'rows', shape };
      }),
    );
  }

  concat(parts: readonly Value[]): Tensor {
    const shape = [parts[0]!.shape[0]!, parts.reduce((sum, part) => sum + part.shape[1]!, 0)];
    const names = parts.map(({ name }) => name);
    const name = names.length === 1 ? names[0]! : this.graph.node('Concat', names, { axis: 1 });
    return this.tensor(shape, { name, layout: 'rows', shape });
  }

  slice(value: Value, range: readonly [number, number] | undefined, axis: number): Value {
    if (!range || (range[0] === 0 && range[1] === value.shape[axis])) return value;
    const [first, count] = range;
    const { graph } = this;
    const shape = value.shape.map((length, i) => (i === axis ? count : length));
    const name = this.once(`${value.name} slice ${axis} ${range}`, () =>
      graph.node('Slice', [value.name, graph.ints(first), graph.ints(first + count), graph.ints(axis)]),
    );
    return { name, layout: 'rows', shape };
  }

  activate(x: string, activation: Activation = 'none'): string {
    const { graph } = this;
    switch (activation) {
      case 'none':
        return x;
      case 'relu':
        return graph.node('Relu', [x]);
      case 'relu6':
        return graph.node('Clip', [x, this.scalar(0), this.scalar(6)]);
      case 'sigmoid':
        return graph.node('Sigmoid', [x]);
      case 'silu':
        return graph.node('Mul', [x, graph.node('Sigmoid', [x])]);
      case 'gelu': {
        const erf = graph.node('Erf', [graph.node('Div', [x, this.scalar(Math.SQRT2)])]);
        const factor = graph.node('Add', [erf, this.scalar(1)]);
        return graph.node('Mul', [graph.node('Mul', [x, factor]), this.scalar(0.5)]);
      }
    }
  }

  affine(x: string, weight: Tensor, bias: Tensor, shape: readonly number[]): string {
    const scaled = this.graph.node('Mul', [x, this.weight(weight, shape)]);
    return this.graph.node('Add', [scaled, this.weight(bias, shape)]);
  }

  /** A constant with the values of a tensor. */
  weight(tensor: TensorInfo, shape: readonly number[], arrange?: PendingConstant['arrange']): string {
    const name = this.graph.reserve();
    // A reference of its own: the tensor may be gone before the graph is finished.
    this.#pending.push({ name, tensor: keep((tensor as Tensor).clone()), shape, arrange });
    return name;
  }

  reshape(name: string, shape: readonly number[]): string {
    return this.graph.node('Reshape', [name, this.graph.ints(...shape)]);
  }

  scalar(value: number): string {
    return this.once(`scalar ${value}`, () => this.graph.constant(Float32Array.of(value), []));
  }

  fill(value: number, shape: readonly number[]): string {
    const size = shape.reduce((a, b) => a * b, 1);
    return this.once(`fill ${value} ${shape}`, () => this.graph.constant(new Float32Array(size).fill(value), shape));
  }

  once(key: string, make: () => string): string {
    let name = this.#converted.get(key);
    if (name === undefined) this.#converted.set(key, (name = make()));
    return name;
  }
}

const equal = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((x, i) => x === b[i]);
