/*
 * The few parts of protocol buffers that ONNX files consist of (https://protobuf.dev/programming-guides/encoding).
 */

/** Encoder of a message. */
export class Message {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** An integer; negative ones are encoded as int64 in ten bytes. */
  int(field: number, value: number): this {
    return this.#append(varint(field << 3)).#append(varint(value));
  }

  float(field: number, value: number): this {
    return this.#append(varint((field << 3) | 5)).#append(new Uint8Array(Float32Array.of(value).buffer));
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#append(varint((field << 3) | 2))
      .#append(varint(value.length))
      .#append(value);
  }

  /** Integers in one packed field. */
  packedInts(field: number, values: readonly number[]): this {
    return this.bytes(field, Uint8Array.from(values.flatMap((value) => [...varint(value)])));
  }

  message(field: number, value: Message): this {
    this.#append(varint((field << 3) | 2)).#append(varint(value.#length));
    for (const chunk of value.#chunks) this.#append(chunk);
    return this;
  }

  finish(): Uint8Array {
    const out = new Uint8Array(this.#length);
    let offset = 0;
    for (const chunk of this.#chunks) {
      out.set(chunk, offset);
      offset += chunk.length;
    }
    return out;
  }

  #append(chunk: Uint8Array): this {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    return this;
  }
}

/** Base-128 encoding, least significant group first. */
function varint(value: number): Uint8Array {
  if (value >= 0 && value < 2 ** 31) return smallVarint(value);
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** The same for what nearly all numbers are, without BigInt, which is slow. */
function smallVarint(value: number): Uint8Array {
  const bytes = new Uint8Array(
    value < 1 << 7 ? 1 : value < 1 << 14 ? 2 : value < 1 << 21 ? 3 : value < 1 << 28 ? 4 : 5,
  );
  let rest = value;
  for (let i = 0; i < bytes.length - 1; i++, rest >>= 7) bytes[i] = (rest & 127) | 128;
  bytes[bytes.length - 1] = rest;
  return bytes;
}

/** The parts of a message that have a length, which strings and messages have: the number of their field, and what is in them. */
export function* fields(message: Uint8Array): Generator<[field: number, bytes: Uint8Array]> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    // No shifts: these end at 32 bits.
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const type = tag % 8;
    if (type === 2) {
      const length = varint();
      yield [Math.floor(tag / 8), message.subarray(at, at + length)];
      at += length;
    } else if (type === 0) varint();
    else at += type === 1 ? 8 : 4;
  }
}
