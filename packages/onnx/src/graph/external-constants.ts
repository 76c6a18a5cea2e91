import { fields } from './protobuf.js';

/** Where a constant's values are in the file beside the model. */
export interface ExternalConstant {
  readonly offset: number;
  readonly length: number;
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The constants of a model that lie outside of it, by name (field numbers from onnx.proto3). */
export function externalConstants(model: Uint8Array): Map<string, ExternalConstant> {
  const found = new Map<string, ExternalConstant>();
  for (const initializer of inside(model, 7).flatMap((one) => inside(one, 5))) {
    const entries = inside(initializer, 13).map((entry) => [text(inside(entry, 1)[0]!), text(inside(entry, 2)[0]!)]);
    const { offset = '0', length } = Object.fromEntries(entries) as Record<string, string | undefined>;
    const name = inside(initializer, 8)[0];
    if (name && length !== undefined) found.set(text(name), { offset: Number(offset), length: Number(length) });
  }
  return found;
}

/** What is in a message's fields of that number, each with a length. */
const inside = (message: Uint8Array, field: number): Uint8Array[] =>
  [...fields(message)].filter(([number]) => number === field).map(([, bytes]) => bytes);
