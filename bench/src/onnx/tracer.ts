import { type Activation, convOutput, convPadding, getRuntime, type OpSet } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import { OnnxGraph } from './graph.js';

/** An operation or an option that has no translation to ONNX here. */
class OnnxTraceError extends Error {
  override readonly name = 'OnnxTraceError';
}

/**
 * A value of the graph. ONNX convolutions want [1, C, H, W]; everything else is kept as the kernels have it, channels
 * last. What is missing is converted when it is needed, as an exporter from PyTorch would.
 */
interface Value {
  readonly name: string;
  readonly layout: 'rows' | 'image';
  /** In ONNX. */
  readonly shape: readonly number[];
}

/**
 * Operations that compute nothing and write down an ONNX graph instead: a network built on `tracer.ops` and run once
 * leaves its graph, with its weights, in `tracer.graph`. The graph is what an exporter gives: one node an operation,
 * nothing fused, so that ONNX Runtime's own optimisations apply.
 */
export class OnnxTracer {
  readonly graph = new OnnxGraph();
  readonly ops: OpSet;
  /** By tensor data, which reshaped tensors share. */
  readonly #values = new WeakMap<object, Value>();
  readonly #converted = new Map<string, string>();
  readonly #data = new WeakMap<object, Float32Array>();
  readonly #filterNames = new WeakMap<object, string>();

  constructor() {
    const unsupported = (name: string) => () => {
      throw new OnnxTraceError(`"${name}" has no translation to ONNX yet.`);
    };
    this.ops = {
      gemm: (a, b, options = {}) => {
        if (a.rank !== 2) throw new OnnxTraceError('a batch of matrix products has no translation to ONNX yet.');
        const { bias, gate, residual, activation, alpha = 1, aColumns, aRows, bBlock } = options;
        const left = this.#slice(this.#slice(this.#rows(a), aRows, 0), aColumns, 1);
        let right = this.#rows(b);
        if (bBlock) right = this.#slice(this.#slice(right, [0, bBlock[0]], 0), [0, bBlock[1]], 1);
        const shape = [aRows?.[1] ?? a.shape[0]!, right.shape[1]!];
        let out = this.graph.node('MatMul', [left.name, right.name]);
        if (alpha !== 1) out = this.graph.node('Mul', [out, this.#scalar(alpha)]);
        if (bias) out = this.graph.node('Add', [out, this.#rows(bias).name]);
        out = this.#activate(out, activation);
        if (gate) out = this.graph.node('Mul', [out, this.#rows(gate, shape).name]);
        if (residual) out = this.graph.node('Add', [out, this.#rows(residual, shape).name]);
        return this.#tensor(shape, { name: out, layout: 'rows', shape });
      },
      conv2d: (x, weight, options = {}) => {
        const { bias, activation, residual, finalRelu, stride = 1, dilation = 1 } = options;
        const input = this.#image(x);
        const [kh, kw, , n] = weight.shape as [number, number, number, number];
        const { pads, size } = convGeometry(x, [kh, kw], stride, dilation, options.padding);
        // The kernels pad an image to four channels; ONNX takes the three.
        const filters = this.#filters(weight, input.shape[1]!);
        const attributes = { kernel_shape: [kh, kw], strides: [stride, stride], dilations: [dilation, dilation], pads };
        const operands = bias ? [input.name, filters, this.#rows(bias).name] : [input.name, filters];
        let out = this.#activate(this.graph.node('Conv', operands, attributes), activation);
        if (residual) out = this.graph.node('Add', [out, this.#image(residual, [...size, n]).name]);
        if (finalRelu) out = this.graph.node('Relu', [out]);
        return this.#tensor([...size, n], { name: out, layout: 'image', shape: [1, n, ...size] });
      },
      depthwiseConv: (x, weight, options = {}) => {
        const { bias, activation, stride = 1, dilation = 1 } = options;
        const input = this.#image(x);
        const [kh, kw, channels] = weight.shape as [number, number, number, number];
        const { pads, size } = convGeometry(x, [kh, kw], stride, dilation, options.padding);
        const filters = this.#filters(weight, 1);
        const attributes = {
          kernel_shape: [kh, kw],
          strides: [stride, stride],
          dilations: [dilation, dilation],
          pads,
          group: channels,
        };
        const operands = bias ? [input.name, filters, this.#rows(bias).name] : [input.name, filters];
        const out = this.#activate(this.graph.node('Conv', operands, attributes), activation);
        return this.#tensor([...size, channels], { name: out, layout: 'image', shape: [1, channels, ...size] });
      },
      maxPool: (x, size, { stride = size, padding = 0 } = {}) => {
        const input = this.#image(x);
        const { pads, size: out } = convGeometry(x, [size, size], stride, 1, padding);
        const name = this.graph.node('MaxPool', [input.name], {
          kernel_shape: [size, size],
          strides: [stride, stride],
          pads,
        });
        const channels = x.shape[2]!;
        return this.#tensor([...out, channels], { name, layout: 'image', shape: [1, channels, ...out] });
      },
      layerNorm: (x, weight, bias, { groups = 1, eps = 1e-5 } = {}) => {
        const input = this.#rows(x);
        const width = x.shape.at(-1)!;
        const epsilon = { axis: -1, epsilon: { float: eps } };
        if (groups === 1) {
          const operands = [input.name, this.#rows(weight, [width]).name, this.#rows(bias, [width]).name];
          const name = this.graph.node('LayerNormalization', operands, epsilon);
          return this.#tensor(x.shape, { name, layout: 'rows', shape: x.shape });
        }
        const channels = width / groups;
        const split = this.#reshape(input.name, [x.size / width, groups, channels]);
        const normal = this.graph.node(
          'LayerNormalization',
          [split, this.#fill(1, [channels]), this.#fill(0, [channels])],
          epsilon,
        );
        const name = this.#affine(this.#reshape(normal, x.shape), weight, bias, [width]);
        return this.#tensor(x.shape, { name, layout: 'rows', shape: x.shape });
      },
      // As PyTorch exports it: an instance normalisation of the groups.
      groupNorm: (x, weight, bias, groups, { eps = 1e-5, activation } = {}) => {
        const channels = x.shape.at(-1)!;
        const input = this.#image(x, x.rank === 3 ? x.shape : [1, x.size / channels, channels]);
        const grouped = this.#reshape(input.name, [1, groups, x.size / groups]);
        const normal = this.graph.node(
          'InstanceNormalization',
          [grouped, this.#fill(1, [groups]), this.#fill(0, [groups])],
          { epsilon: { float: eps } },
        );
        const affine = this.#affine(this.#reshape(normal, input.shape), weight, bias, [channels, 1, 1]);
        const name = this.#activate(affine, activation);
        return this.#tensor(x.shape, { name, layout: 'image', shape: input.shape });
      },
      linearConcat: (parts) => {
        const outputs = parts.map(({ x, weight, bias, activation, residual, xColumns }) =>
          this.#rows(this.ops.gemm(x, weight, { bias, activation, residual, aColumns: xColumns })),
        );
        return this.#concat(outputs);
      },
      concatColumns: (parts) => this.#concat(parts.map(({ x, columns }) => this.#slice(this.#rows(x), columns, 1))),
      transpose: (x, { columns, padded } = {}) => {
        const source = this.#slice(this.#rows(x), columns, 1);
        const name = this.graph.node('Transpose', [source.name], { perm: [1, 0] });
        const [rows, count] = source.shape as [number, number];
        // The padding is for our kernels only.
        const width = padded ? Math.ceil(rows / 4) * 4 : rows;
        return this.#tensor([count, width], { name, layout: 'rows', shape: [count, rows] });
      },
      resizeBilinear: (x, [height, width], { alignCorners = false, residual } = {}) => {
        const input = this.#image(x);
        const channels = x.shape[2]!;
        const shape = [1, channels, height, width];
        let name = this.graph.node('Resize', [input.name, '', '', this.graph.ints(...shape)], {
          mode: 'linear',
          coordinate_transformation_mode: alignCorners ? 'align_corners' : 'half_pixel',
        });
        if (residual) name = this.graph.node('Add', [name, this.#image(residual, [height, width, channels]).name]);
        return this.#tensor([height, width, channels], { name, layout: 'image', shape });
      },
      gatedAttention: ({ query, queryColumns, keys, values, validKeys, scale }) => {
        const q = this.#slice(this.#rows(query), queryColumns, 1);
        const known = this.#stored(keys);
        const k = known.shape[1] === validKeys ? known : this.#slice(known, [0, validKeys], 1);
        const product = this.graph.node('MatMul', [q.name, k.name]);
        const scores = this.graph.node('Mul', [product, this.#scalar(scale)]);
        return this.#weigh(scores, values, [query.shape[0]!, validKeys]);
      },
      // A dense masked map, which is what remains without a kernel of its own.
      localGatedAttention: (input) => {
        const { height, width, window, query, queryColumns, key, keyColumns, relative, values, scale } = input;
        const tokens = height * width;
        const q = this.#slice(this.#rows(query), queryColumns, 1);
        const k = this.#slice(this.#rows(key), keyColumns, 1);
        const transposed = this.graph.node('Transpose', [k.name], { perm: [1, 0] });
        const product = this.graph.node('MatMul', [q.name, transposed]);
        const scaled = this.graph.node('Mul', [product, this.#scalar(scale)]);
        const terms = this.#rows(relative);
        const masked = this.graph.node('Concat', [terms.name, this.#fill(-1e8, [tokens, 1])], { axis: 1 });
        const index = this.graph.constant(windowIndex(height, width, window, terms.shape[1]!), [tokens, tokens]);
        const bias = this.graph.node('GatherElements', [masked, index], { axis: 1 });
        return this.#weigh(this.graph.node('Add', [scaled, bias]), values, [tokens, tokens]);
      },
      idEmbedding: unsupported('idEmbedding'),
      patchMerge: unsupported('patchMerge'),
      windowAttention: unsupported('windowAttention'),
      deformableAttention: unsupported('deformableAttention'),
      biAttention: unsupported('biAttention'),
      boxSineEmbedding: unsupported('boxSineEmbedding'),
      refineBoxes: unsupported('refineBoxes'),
      feedForward: (x, first, second, { activation, residual }) => {
        const hidden = this.ops.gemm(x, first.weight, { bias: first.bias, activation });
        return this.ops.gemm(hidden, second.weight, { bias: second.bias, residual });
      },
    } as OpSet;
  }

  /** The values of a tensor that is on the GPU already; those of others are taken from tfjs's copy on the CPU. */
  constant(tensor: Tensor, values: Float32Array): void {
    this.#data.set(tensor.dataId, values);
  }

  /** Makes a tensor an input of the graph; every other tensor that no operation made is a constant. */
  input(name: string, tensor: Tensor): void {
    this.graph.input(name, tensor.shape);
    this.#values.set(tensor.dataId, { name, layout: 'rows', shape: tensor.shape });
  }

  /** Makes an image [H, W, *] an input [1, channels, H, W]. */
  imageInput(name: string, tensor: Tensor, channels = tensor.shape[2]!): void {
    const shape = [1, channels, tensor.shape[0]!, tensor.shape[1]!];
    this.graph.input(name, shape);
    this.#values.set(tensor.dataId, { name, layout: 'image', shape });
  }

  /** Makes what an operation returned an output: images as [1, C, H, W]. */
  output(name: string, tensor: Tensor): void {
    const value = this.#stored(tensor);
    this.graph.output(value.name, value.shape, name);
  }

  /** Whether a tensor is [1, C, H, W] in the graph. */
  isImage(tensor: Tensor): boolean {
    return this.#stored(tensor).layout === 'image';
  }

  #tensor(shape: readonly number[], value: Value): Tensor {
    const tensor = getRuntime().allocate(shape);
    this.#values.set(tensor.dataId, value);
    return tensor;
  }

  #stored(tensor: Tensor): Value {
    const known = this.#values.get(tensor.dataId);
    if (known) return known;
    const value: Value = { name: this.#constant(tensor, tensor.shape), layout: 'rows', shape: tensor.shape };
    this.#values.set(tensor.dataId, value);
    return value;
  }

  #rows(tensor: Tensor, shape: readonly number[] = tensor.shape): Value {
    const { name, layout, shape: from } = this.#stored(tensor);
    if (layout === 'rows' && equal(from, shape)) return { name, layout, shape };
    const converted = this.#once(`${name} rows ${shape}`, () => {
      const last = layout === 'rows' ? name : this.graph.node('Transpose', [name], { perm: [0, 2, 3, 1] });
      return this.#reshape(last, shape);
    });
    return { name: converted, layout: 'rows', shape };
  }

  #image(tensor: Tensor, [height, width, channels]: readonly number[] = tensor.shape): Value {
    const { name, layout, shape: from } = this.#stored(tensor);
    if (layout === 'image') {
      const shape = [1, from[1]!, height!, width!];
      if (equal(from, shape)) return { name, layout, shape };
      return { name: this.#once(`${name} image ${shape}`, () => this.#reshape(name, shape)), layout, shape };
    }
    const shape = [1, channels!, height!, width!];
    const converted = this.#once(`${name} image ${shape}`, () =>
      this.graph.node('Transpose', [this.#reshape(name, [1, height!, width!, channels!])], { perm: [0, 3, 1, 2] }),
    );
    return { name: converted, layout: 'image', shape };
  }

  /** Weights [kh, kw, C, N] as [N, inputs, kh, kw], or [kh, kw, C, 1] as [C, 1, kh, kw]. */
  #filters(weight: Tensor, inputs: number): string {
    const [kh, kw, c, n] = weight.shape as [number, number, number, number];
    const known = this.#filterNames.get(weight.dataId);
    if (known) return known;
    const source = this.#read(weight);
    const depthwise = n === 1;
    const outputs = depthwise ? c : n;
    const out = new Float32Array(outputs * inputs * kh * kw);
    for (let tap = 0; tap < kh * kw; tap++) {
      for (let i = 0; i < inputs; i++) {
        for (let o = 0; o < outputs; o++) {
          out[(o * inputs + i) * kh * kw + tap] = source[depthwise ? tap * c + o : (tap * c + i) * n + o]!;
        }
      }
    }
    const name = this.graph.constant(out, [outputs, inputs, kh, kw]);
    this.#filterNames.set(weight.dataId, name);
    return name;
  }

  #weigh(scores: string, values: readonly { tensor: Tensor; gate?: Tensor }[], [rows, keys]: [number, number]): Tensor {
    const weights = this.graph.node('Softmax', [scores], { axis: -1 });
    return this.#concat(
      values.map(({ tensor, gate }) => {
        const value = this.#slice(this.#rows(tensor), [0, keys], 0);
        const shape = [rows, value.shape[1]!];
        let name = this.graph.node('MatMul', [weights, value.name]);
        if (gate) name = this.graph.node('Mul', [name, this.#rows(gate, shape).name]);
        return { name, layout: 'rows', shape };
      }),
    );
  }

  #concat(parts: readonly Value[]): Tensor {
    const shape = [parts[0]!.shape[0]!, parts.reduce((sum, part) => sum + part.shape[1]!, 0)];
    const names = parts.map(({ name }) => name);
    const name = names.length === 1 ? names[0]! : this.graph.node('Concat', names, { axis: 1 });
    return this.#tensor(shape, { name, layout: 'rows', shape });
  }

  #slice(value: Value, range: readonly [number, number] | undefined, axis: number): Value {
    if (!range || (range[0] === 0 && range[1] === value.shape[axis])) return value;
    const [first, count] = range;
    const { graph } = this;
    const shape = value.shape.map((length, i) => (i === axis ? count : length));
    const name = this.#once(`${value.name} slice ${axis} ${range}`, () =>
      graph.node('Slice', [value.name, graph.ints(first), graph.ints(first + count), graph.ints(axis)]),
    );
    return { name, layout: 'rows', shape };
  }

  #activate(x: string, activation: Activation = 'none'): string {
    const { graph } = this;
    switch (activation) {
      case 'none':
        return x;
      case 'relu':
        return graph.node('Relu', [x]);
      case 'relu6':
        return graph.node('Clip', [x, this.#scalar(0), this.#scalar(6)]);
      case 'silu':
        return graph.node('Mul', [x, graph.node('Sigmoid', [x])]);
      case 'gelu': {
        const erf = graph.node('Erf', [graph.node('Div', [x, this.#scalar(Math.SQRT2)])]);
        const factor = graph.node('Add', [erf, this.#scalar(1)]);
        return graph.node('Mul', [graph.node('Mul', [x, factor]), this.#scalar(0.5)]);
      }
    }
  }

  #affine(x: string, weight: Tensor, bias: Tensor, shape: readonly number[]): string {
    const scaled = this.graph.node('Mul', [x, this.#constant(weight, shape)]);
    return this.graph.node('Add', [scaled, this.#constant(bias, shape)]);
  }

  #constant(tensor: Tensor, shape: readonly number[]): string {
    return this.graph.constant(this.#read(tensor), shape);
  }

  #read(tensor: Tensor): Float32Array {
    return this.#data.get(tensor.dataId) ?? (tensor.dataSync() as Float32Array);
  }

  #reshape(name: string, shape: readonly number[]): string {
    return this.graph.node('Reshape', [name, this.graph.ints(...shape)]);
  }

  #scalar(value: number): string {
    return this.#once(`scalar ${value}`, () => this.graph.constant(Float32Array.of(value), []));
  }

  #fill(value: number, shape: readonly number[]): string {
    const size = shape.reduce((a, b) => a * b, 1);
    return this.#once(`fill ${value} ${shape}`, () => this.graph.constant(new Float32Array(size).fill(value), shape));
  }

  #once(key: string, make: () => string): string {
    let name = this.#converted.get(key);
    if (name === undefined) this.#converted.set(key, (name = make()));
    return name;
  }
}

const equal = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((x, i) => x === b[i]);

function convGeometry(
  x: Tensor,
  [kh, kw]: readonly [number, number],
  stride: number,
  dilation: number,
  padding: Parameters<typeof convPadding>[0],
): { pads: readonly number[]; size: [number, number] } {
  const pads = convPadding(padding);
  const [top, left, bottom, right] = pads;
  return {
    pads,
    size: [
      convOutput(x.shape[0]!, kh, stride, dilation, top + bottom),
      convOutput(x.shape[1]!, kw, stride, dilation, left + right),
    ],
  };
}

/** Column of the relative term of each pair of tokens; `outside` for a pair that is not in one window. */
function windowIndex(height: number, width: number, window: number, outside: number): Int32Array {
  const tokens = height * width;
  const radius = (window - 1) / 2;
  const index = new Int32Array(tokens * tokens).fill(outside);
  for (let q = 0; q < tokens; q++) {
    for (let k = 0; k < tokens; k++) {
      const dy = Math.floor(k / width) - Math.floor(q / width) + radius;
      const dx = (k % width) - (q % width) + radius;
      if (dy >= 0 && dy < window && dx >= 0 && dx < window) index[q * tokens + k] = dy * window + dx;
    }
  }
  return index;
}
