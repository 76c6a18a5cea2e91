import { Message } from './protobuf.js';

/** Values of an ONNX attribute: numbers are integers unless wrapped by `float`. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** Values of a constant; their type is its element type. */
export type ConstantValues = Float32Array | Int32Array | BigInt64Array;

export type ElementType = 'float32' | 'int32' | 'int64';

const ELEMENT_TYPES: Readonly<Record<ElementType, number>> = { float32: 1, int32: 6, int64: 7 };
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, ints: 7 };
/** Operators as of ONNX 1.14; IR as of the same. */
const OPSET = 19;
const IR_VERSION = 9;

interface Port {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/**
 * Builds an ONNX model in memory, node by node (field numbers from onnx.proto3). Only static shapes.
 *
 *     const graph = new OnnxGraph();
 *     const a = graph.input('a', [2, 3]);
 *     graph.output(graph.node('Relu', [a]), [2, 3]);
 *     const bytes = graph.finish();
 */
export class OnnxGraph {
  readonly #nodes: Message[] = [];
  readonly #initializers: Message[] = [];
  readonly #inputs: Port[] = [];
  readonly #outputs: Port[] = [];
  readonly #types = new Map<string, number>();
  #count = 0;

  /** Operators and how often each stands in the graph. */
  get operators(): ReadonlyMap<string, number> {
    return this.#types;
  }

  input(name: string, shape: readonly number[], type: ElementType = 'float32'): string {
    this.#inputs.push({ name, shape, type });
    return name;
  }

  /** A constant; the name of the value is returned. */
  constant(values: ConstantValues, shape: readonly number[]): string {
    const name = this.reserve();
    this.define(name, values, shape);
    return name;
  }

  /** A name for a constant whose values come later, by `define`. */
  reserve(): string {
    return `_c${this.#count++}`;
  }

  define(name: string, values: ConstantValues, shape: readonly number[]): void {
    const type = values instanceof Float32Array ? 'float32' : values instanceof Int32Array ? 'int32' : 'int64';
    this.#initializers.push(
      new Message()
        .packedInts(1, shape)
        .int(2, ELEMENT_TYPES[type])
        .string(8, name)
        .bytes(9, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
    );
  }

  /** A constant list of integers, as shapes and axes are given. */
  ints(...values: number[]): string {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length]);
  }

  /** A node with one output, whose name is returned. An empty input name stands for an optional input left out. */
  node(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = `_v${this.#count++}`;
    const message = new Message();
    for (const input of inputs) message.string(1, input);
    message.string(2, output).string(3, `${operator}${output}`).string(4, operator);
    for (const name in attributes) message.message(5, encodeAttribute(name, attributes[name]!));
    this.#nodes.push(message);
    this.#types.set(operator, (this.#types.get(operator) ?? 0) + 1);
    return output;
  }

  /** Makes a value an output of the model, under a name of its own if one is given. */
  output(value: string, shape: readonly number[], name?: string, type: ElementType = 'float32'): string {
    const port = name === undefined ? value : this.#rename(value, name);
    this.#outputs.push({ name: port, shape, type });
    return port;
  }

  #rename(value: string, name: string): string {
    this.#nodes.push(
      new Message().string(1, value).string(2, name).string(3, `Identity_${name}`).string(4, 'Identity'),
    );
    return name;
  }

  finish(): Uint8Array {
    const graph = new Message();
    for (const node of this.#nodes) graph.message(1, node);
    graph.string(2, 'samtrack');
    for (const initializer of this.#initializers) graph.message(5, initializer);
    for (const port of this.#inputs) graph.message(11, encodePort(port));
    for (const port of this.#outputs) graph.message(12, encodePort(port));
    return new Message()
      .int(1, IR_VERSION)
      .string(2, 'samtrack')
      .message(7, graph)
      .message(8, new Message().string(1, '').int(2, OPSET))
      .finish();
  }
}

function encodePort({ name, type, shape }: Port): Message {
  const dimensions = new Message();
  for (const length of shape) dimensions.message(1, new Message().int(1, length));
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
