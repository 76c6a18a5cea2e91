import type { Activation } from '@samtrack/kernels';
import { engine, type Tensor, type TensorInfo } from '@tensorflow/tfjs-core';
import { OnnxTraceError } from './error.js';
import { type Dimension, type ElementType, OnnxGraph } from './graph/graph.js';
import type { Layout, TensorData, Values } from './tensors.js';

/** A value of the graph. */
export interface Value extends Layout {
  readonly name: string;
}

/** Memory that an input of the graph is read from. */
export interface TracedInput {
  readonly name: string;
  readonly type: ElementType;
  readonly values: Values | BigInt64Array;
  readonly shape: readonly number[];
}

/** A constant that the graph refers to: data, and what becomes of its values. */
export interface TracedWeight {
  readonly name: string;
  readonly data: TensorData;
  /** From the data's order to the constant's. */
  readonly arrange?: (values: Float32Array) => Float32Array;
}

/** What a trace asks of the tensors. */
export interface TensorTable {
  /** What there is of a tensor of any shape. */
  get(tensor: TensorInfo): TensorData;
  /** New data without contents. */
  add(dtype: 'float32' | 'int32', shape: readonly number[]): object;
}

/**
 * A graph in the making, and what tensors stand for in it: operations on tensors that have no contents yet become nodes,
 * tensors that have some become inputs, and weights constants.
 */
export class OnnxTrace {
  #graph = new OnnxGraph();
  #values = new Map<object, Value>();
  #converted = new Map<string, string>();
  #inputs: TracedInput[] = [];
  #weights = new Map<string, TracedWeight>();
  #results: object[] = [];

  constructor(private readonly tensors: TensorTable) {}

  get graph(): OnnxGraph {
    return this.#graph;
  }

  get inputs(): readonly TracedInput[] {
    return this.#inputs;
  }

  get weights(): ReadonlyMap<string, TracedWeight> {
    return this.#weights;
  }

  /** Data that the graph computes, in order. */
  get results(): readonly object[] {
    return this.#results;
  }

  /** The value that stands for data. */
  value(dataId: object): Value {
    return this.#values.get(dataId)!;
  }

  /** Says what stands for data. */
  bind({ dataId }: Pick<TensorInfo, 'dataId'>, value: Value): Value {
    this.#values.set(dataId, value);
    return value;
  }

  /** Begins a new graph. */
  reset(): void {
    this.#graph = new OnnxGraph();
    this.#values = new Map();
    this.#converted = new Map();
    this.#inputs = [];
    this.#weights = new Map();
    this.#results = [];
  }

  /** The result of an operation. */
  tensor(shape: readonly number[], value: Value, dtype: 'float32' | 'int32' = 'float32'): Tensor {
    return engine().makeTensorFromTensorInfo(this.info(shape, value, dtype));
  }

  /** The same for tfjs, which makes the tensor itself. */
  info(shape: readonly number[], value: Value, dtype: 'float32' | 'int32' = 'float32'): TensorInfo {
    const dataId = this.tensors.add(dtype, value.shape);
    this.bind({ dataId }, value);
    this.#results.push(dataId);
    return { dataId, shape: [...shape], dtype };
  }

  /**
   * What a tensor of any shape is in the graph, as it is stored: an input where it has contents.
   * @throws OnnxTraceError if it has none and nothing made it
   */
  stored(tensor: TensorInfo): Value {
    const known = this.#values.get(tensor.dataId);
    if (known) return known;
    const { values, layout, shape: stored, dtype } = this.tensors.get(tensor);
    if (!values) {
      const constant = this.#weight(tensor, tensor.shape);
      if (constant === undefined) throw new OnnxTraceError('a tensor without contents takes part in a graph.');
      return this.bind(tensor, { name: constant, layout: 'rows', shape: tensor.shape });
    }
    // Contents channels last may be read in any shape.
    const shape = layout === 'image' ? stored : tensor.shape;
    return this.bind(tensor, { name: this.#input(values, shape, shape, dtype), layout, shape });
  }

  /** The first rows of a tensor [rows, columns], whose number may differ from run to run of the graph. */
  prefix(tensor: TensorInfo, rows: number, dimension: string): Value {
    const { values, layout, dtype } = this.tensors.get(tensor);
    if (!values || layout !== 'rows') return this.slice(this.rows(tensor), [0, rows], 0);
    const columns = tensor.shape[1]!;
    const shape = [rows, columns];
    const part = values.subarray(0, rows * columns) as Values;
    const name = this.once(`prefix ${this.tensors.get(tensor).id} ${rows}`, () =>
      this.#input(part, shape, [dimension, columns], dtype),
    );
    return { name, layout, shape };
  }

  /** A tensor [rows, columns] all of which is read, but whose columns may differ in number from run to run. */
  growing(tensor: TensorInfo, dimension: string): Value | undefined {
    const { values, layout, dtype, id } = this.tensors.get(tensor);
    if (!values || layout !== 'rows') return undefined;
    const name = this.once(`growing ${id}`, () =>
      this.#input(values, tensor.shape, [tensor.shape[0]!, dimension], dtype),
    );
    return { name, layout, shape: tensor.shape };
  }

  /** An input with values that are known now and are no part of the graph. */
  literal(values: Values | BigInt64Array, shape: readonly number[]): string {
    const type = values instanceof Float32Array ? 'float32' : values instanceof Int32Array ? 'int32' : 'int64';
    return this.#input(values, shape, shape, type);
  }

  #input(
    values: Values | BigInt64Array,
    shape: readonly number[],
    port: readonly Dimension[],
    type: ElementType,
  ): string {
    const name = this.graph.input(this.graph.reserve('in'), port, type);
    this.#inputs.push({ name, type, values, shape });
    return name;
  }

  /** A tensor of any shape in the order of its rows, as `shape`. */
  rows(tensor: TensorInfo, shape: readonly number[] = tensor.shape): Value {
    const { name, layout, shape: from } = this.stored(tensor);
    if (layout === 'rows' && equal(from, shape)) return { name, layout, shape };
    const converted = this.once(`${name} rows ${shape}`, () => {
      if (layout === 'rows') return this.reshape(name, shape);
      const [batch, channels, height, width] = from as [number, number, number, number];
      const missing = sizeOf(shape) / (batch * height * width) - channels;
      // The kernels pad images of three channels to four.
      const whole = missing > 0 ? this.graph.node('Pad', [name, this.graph.ints(0, 0, 0, 0, 0, missing, 0, 0)]) : name;
      return this.reshape(this.graph.node('Transpose', [whole], { perm: [0, 2, 3, 1] }), shape);
    });
    return { name: converted, layout: 'rows', shape };
  }

  /** A tensor [height, width, channels] as ONNX has images, [1, channels, height, width]. */
  image(tensor: TensorInfo, [height, width, channels]: readonly number[] = tensor.shape): Value {
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

  /** A weight of any shape, as `shape`: a constant of the graph, unless it is computed. */
  parameter(tensor: TensorInfo, shape: readonly number[] = tensor.shape): string {
    return this.#weight(tensor, shape) ?? this.rows(tensor, shape).name;
  }

  /** Weights [kh, kw, C, N] as [N, inputs, kh, kw], or [kh, kw, C, 1] as [C, 1, kh, kw]. */
  filters(weight: Tensor, inputs: number): string {
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
    const constant = this.#weight(weight, [outputs, inputs, kh, kw], `filters${inputs}`, arrange);
    if (constant) return constant;
    const name = this.graph.node('Transpose', [this.rows(weight).name], {
      perm: depthwise ? [2, 3, 0, 1] : [3, 2, 0, 1],
    });
    return depthwise ? name : this.slice({ name, layout: 'rows', shape: [outputs, c, kh, kw] }, [0, inputs], 1).name;
  }

  #weight(
    tensor: TensorInfo,
    shape: readonly number[],
    arrangement = '',
    arrange?: TracedWeight['arrange'],
  ): string | undefined {
    const data = this.tensors.get(tensor);
    if (!data.constant) return undefined;
    return this.once(`weight ${data.id} ${arrangement} ${shape}`, () => {
      const bytes = 4 * shape.reduce((a, b) => a * b, 1);
      // Numbered in each graph anew: graphs that are alike are the same bytes in every process.
      const location = `w${this.#weights.size}${arrangement}`;
      const name = this.graph.external(location, shape, data.dtype, bytes);
      this.#weights.set(name, { name, data, arrange });
      return name;
    });
  }

  /** Softmax of scores [rows, N] times values [N, columns] each, gated where there is a gate; side by side as [rows, all columns]. */
  weigh(scores: string, values: readonly { name: string; columns: number; gate?: Tensor }[], rows: number): Tensor {
    const weights = this.graph.node('Softmax', [scores], { axis: -1 });
    return this.concat(
      values.map(({ name: value, columns, gate }) => {
        const shape = [rows, columns];
        let name = this.graph.node('MatMul', [weights, value]);
        if (gate) name = this.graph.node('Mul', [name, this.rows(gate, shape).name]);
        return { name, layout: 'rows', shape };
      }),
    );
  }

  /** Parts [rows, columns] side by side. */
  concat(parts: readonly Value[]): Tensor {
    const shape = [parts[0]!.shape[0]!, parts.reduce((sum, part) => sum + part.shape[1]!, 0)];
    const names = parts.map(({ name }) => name);
    const name = names.length === 1 ? names[0]! : this.graph.node('Concat', names, { axis: 1 });
    return this.tensor(shape, { name, layout: 'rows', shape });
  }

  /** `range[1]` elements of an axis from `range[0]` on; all of them without a range. */
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

  /** The name of a value after an activation. */
  activate(x: string, activation: Activation = 'none'): string {
    const { graph } = this;
    switch (activation) {
      case 'none':
        return x;
      case 'relu':
        return graph.node('Relu', [x]);
      case 'relu6':
        return graph.node('Clip', [x, this.scalar(0), this.scalar(6)]);
      case 'silu':
        return graph.node('Mul', [x, graph.node('Sigmoid', [x])]);
      case 'sigmoid':
        return graph.node('Sigmoid', [x]);
      case 'gelu': {
        const erf = graph.node('Erf', [graph.node('Div', [x, this.scalar(Math.SQRT2)])]);
        const factor = graph.node('Add', [erf, this.scalar(1)]);
        return graph.node('Mul', [graph.node('Mul', [x, factor]), this.scalar(0.5)]);
      }
    }
  }

  /** x * weight + bias, both parameters read as `shape`. */
  affine(x: string, weight: Tensor, bias: Tensor, shape: readonly number[]): string {
    const scaled = this.graph.node('Mul', [x, this.parameter(weight, shape)]);
    return this.graph.node('Add', [scaled, this.parameter(bias, shape)]);
  }

  /** A value in another shape. */
  reshape(name: string, shape: readonly number[]): string {
    return this.graph.node('Reshape', [name, this.graph.ints(...shape)]);
  }

  /** A constant float32 scalar; the same for the same number. */
  scalar(value: number): string {
    return this.once(`scalar ${value}`, () => this.graph.constant(Float32Array.of(value), []));
  }

  /** A constant of one number; the same for the same number and shape. */
  fill(value: number, shape: readonly number[]): string {
    const size = shape.reduce((a, b) => a * b, 1);
    return this.once(`fill ${value} ${shape}`, () => this.graph.constant(new Float32Array(size).fill(value), shape));
  }

  /** What was made for a key; made the first time. */
  once(key: string, make: () => string): string {
    let name = this.#converted.get(key);
    if (name === undefined) this.#converted.set(key, (name = make()));
    return name;
  }
}

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

const equal = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((x, i) => x === b[i]);
