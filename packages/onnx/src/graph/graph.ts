import { Message } from './protobuf.js';

/** Values of an ONNX attribute: numbers are integers unless wrapped by `float`. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** Values of a constant; their type is its element type. */
export type ConstantValues = Float32Array | Int32Array | BigInt64Array;

export type ElementType = 'float32' | 'int32' | 'int64';

/** A length, or the name of one that differs from run to run. */
export type Dimension = number | string;

/** ONNX's numbers of the element types. */
export const ELEMENT_TYPES: Readonly<Record<ElementType, number>> = { float32: 1, int32: 6, int64: 7 };
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, ints: 7 };
/** Of TensorProto.data_location. */
const EXTERNAL = 1;
/** Operators as of ONNX 1.14; IR as of the same. */
const OPSET = 19;
const IR_VERSION = 9;

interface Port {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dimension[];
}

interface Node {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly message: Message;
}

/** A graph as a file, and what of it is needed. */
export interface FinishedGraph {
  readonly model: Uint8Array;
  /** Names of the inputs and of the external weights that the outputs depend on. */
  readonly used: ReadonlySet<string>;
}

/**
 * Builds an ONNX model in memory, node by node (field numbers from onnx.proto3).
 *
 *     const graph = new OnnxGraph();
 *     const a = graph.input('a', [2, 'n']);
 *     graph.output(graph.node('Relu', [a]), [2, 'n']);
 *     const { model } = graph.finish();
 */
export class OnnxGraph {
  readonly #nodes: Node[] = [];
  readonly #initializers = new Map<string, Message>();
  readonly #inputs: Port[] = [];
  readonly #outputs: Port[] = [];
  #count = 0;

  /** Whether nothing is computed yet. */
  get empty(): boolean {
    return this.#nodes.length === 0;
  }

  /** An input of the graph; its name is returned. */
  input(name: string, shape: readonly Dimension[], type: ElementType = 'float32'): string {
    this.#inputs.push({ name, shape, type });
    return name;
  }

  /** A name that nothing else in the graph has. */
  reserve(prefix = 'c'): string {
    return `_${prefix}${this.#count++}`;
  }

  /** A constant; the name of the value is returned. */
  constant(values: ConstantValues, shape: readonly number[]): string {
    const name = this.reserve();
    const type = values instanceof Float32Array ? 'float32' : values instanceof Int32Array ? 'int32' : 'int64';
    this.#initializers.set(
      name,
      this.#initializer(name, shape, type).bytes(
        9,
        new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      ),
    );
    return name;
  }

  /** A constant whose values lie elsewhere, under `location`. */
  external(location: string, shape: readonly number[], type: ElementType, bytes: number): string {
    const entry = (key: string, value: string) => new Message().string(1, key).string(2, value);
    const message = this.#initializer(location, shape, type)
      .message(13, entry('location', location))
      .message(13, entry('offset', '0'))
      .message(13, entry('length', String(bytes)))
      .int(14, EXTERNAL);
    this.#initializers.set(location, message);
    return location;
  }

  #initializer(name: string, shape: readonly number[], type: ElementType): Message {
    return new Message().packedInts(1, shape).int(2, ELEMENT_TYPES[type]).string(8, name);
  }

  /** A constant list of integers, as shapes and axes are given. */
  ints(...values: number[]): string {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length]);
  }

  /** A node with one output, whose name is returned. An empty input name stands for an optional input left out. */
  node(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.nodes(operator, inputs, 1, attributes)[0]!;
  }

  /** The same with several outputs. */
  nodes(
    operator: string,
    inputs: readonly string[],
    count: number,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string[] {
    const outputs = Array.from({ length: count }, () => this.reserve('v'));
    const message = new Message();
    for (const input of inputs) message.string(1, input);
    for (const output of outputs) message.string(2, output);
    message.string(3, `${operator}${outputs[0]}`).string(4, operator);
    for (const name in attributes) message.message(5, encodeAttribute(name, attributes[name]!));
    this.#nodes.push({ operator, inputs, outputs, message });
    return outputs;
  }

  /** Makes a value an output of the model. */
  output(name: string, shape: readonly Dimension[], type: ElementType = 'float32'): void {
    this.#outputs.push({ name, shape, type });
  }

  /** The model. What no output depends on is left out. */
  finish(): FinishedGraph {
    const used = new Set(this.#outputs.map(({ name }) => name));
    const nodes: Node[] = [];
    for (const node of this.#nodes.toReversed()) {
      if (!node.outputs.some((output) => used.has(output))) continue;
      nodes.push(node);
      for (const input of node.inputs) used.add(input);
    }
    const graph = new Message();
    for (const { message } of nodes.reverse()) graph.message(1, message);
    graph.string(2, 'samtrack');
    for (const [name, initializer] of this.#initializers) if (used.has(name)) graph.message(5, initializer);
    for (const port of this.#inputs) if (used.has(port.name)) graph.message(11, encodePort(port));
    for (const port of this.#outputs) graph.message(12, encodePort(port));
    const model = new Message()
      .int(1, IR_VERSION)
      .string(2, 'samtrack')
      .message(7, graph)
      .message(8, new Message().string(1, '').int(2, OPSET))
      .finish();
    return { model, used };
  }
}

function encodePort({ name, type, shape }: Port): Message {
  const dimensions = new Message();
  for (const length of shape) {
    dimensions.message(1, typeof length === 'number' ? new Message().int(1, length) : new Message().string(2, length));
  }
  const tensorType = new Message().int(1, ELEMENT_TYPES[type]).message(2, dimensions);
  return new Message().string(1, name).message(2, new Message().message(1, tensorType));
}

function encodeAttribute(name: string, value: Attribute): Message {
  const message = new Message().string(1, name);
  if (typeof value === 'number') return message.int(3, value).int(20, ATTRIBUTE_TYPES.int);
  if (typeof value === 'string') return message.string(4, value).int(20, ATTRIBUTE_TYPES.string);
  if ('float' in value) return message.float(2, value.float).int(20, ATTRIBUTE_TYPES.float);
  return message.packedInts(8, value).int(20, ATTRIBUTE_TYPES.ints);
}
