import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BYTES_PER_ELEMENT,
  type DType,
  MemorySource,
  openCheckpoint,
  openSafetensors,
  type SafetensorsEntry,
  streamSafetensors,
  writeSafetensors,
} from '../../src/checkpoint/index.js';
import { concat, u64 } from './builders.js';

const DTYPES = Object.keys(BYTES_PER_ELEMENT) as DType[];

/** A file with this header and so many bytes of data. */
function fileOf(header: unknown, dataBytes: number): Uint8Array<ArrayBuffer> {
  const json = typeof header === 'string' ? header : JSON.stringify(header);
  return concat(u64(new TextEncoder().encode(json).length), json, new Uint8Array(dataBytes));
}

const tensor = (start: number, end: number, shape = [(end - start) / 4], dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [start, end],
});

describe('round trip', () => {
  const entry = fc
    .record({
      key: fc.string({ unit: 'grapheme', maxLength: 12 }).filter((key) => key !== '__metadata__'),
      dtype: fc.constantFrom(...DTYPES),
      shape: fc.array(fc.nat(4), { maxLength: 4 }),
    })
    .chain(({ key, dtype, shape }) => {
      const length = shape.reduce((product, dimension) => product * dimension, 1) * BYTES_PER_ELEMENT[dtype];
      return fc
        .uint8Array({ minLength: length, maxLength: length })
        .map((data): SafetensorsEntry => ({ key, dtype, shape, data }));
    });
  const entries = fc.uniqueArray(entry, { selector: ({ key }) => key, maxLength: 8 });

  it('keeps every key, dtype, shape, byte and the metadata', async () => {
    await fc.assert(
      fc.asyncProperty(entries, fc.dictionary(fc.string(), fc.string()), async (written, metadata) => {
        const bytes = writeSafetensors(written, { metadata });
        const checkpoint = await openSafetensors(new MemorySource(bytes));
        expect([...checkpoint.keys].sort()).toEqual(written.map(({ key }) => key).sort());
        expect(Object.entries(checkpoint.metadata)).toEqual(Object.entries(metadata));
        for (const { key, dtype, shape, data } of written) {
          expect(await checkpoint.readRaw(key)).toEqual({ dtype, shape, data: Uint8Array.from(data) });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('streams the same file', async () => {
    await fc.assert(
      fc.asyncProperty(entries, async (written) => {
        const chunks: Uint8Array[] = [];
        const streamed = written.map((item) => ({ ...item, data: async () => item.data }));
        for await (const chunk of streamSafetensors(streamed)) chunks.push(chunk);
        expect(concat(...chunks)).toEqual(writeSafetensors(written));
      }),
      { numRuns: 20 },
    );
  });
});

it('aligns every tensor to its element size, whatever the order given', async () => {
  const entries = DTYPES.toReversed().map((dtype) => ({
    key: dtype,
    dtype,
    shape: [1],
    data: new Uint8Array(BYTES_PER_ELEMENT[dtype]),
  }));
  const bytes = writeSafetensors(entries);
  const headerBytes = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes)));
  expect(headerBytes % 8).toBe(0);
  for (const dtype of DTYPES) expect(header[dtype].data_offsets[0] % BYTES_PER_ELEMENT[dtype]).toBe(0);
});

it('converts every dtype to float32', async () => {
  const entry = (dtype: DType, array: { buffer: ArrayBuffer }, length: number): SafetensorsEntry => ({
    key: dtype,
    dtype,
    shape: [length],
    data: new Uint8Array(array.buffer),
  });
  const checkpoint = await openCheckpoint(
    writeSafetensors([
      entry('f64', Float64Array.of(0.1, -1e300), 2),
      entry('f32', Float32Array.of(0.1, -2), 2),
      entry('f16', Uint16Array.of(0x3c00, 0xc000, 0x7c00), 3),
      entry('bf16', Uint16Array.of(0x3f80, 0xc000), 2),
      entry('i64', BigInt64Array.of(-3n, 2n ** 53n), 2),
      entry('u64', BigUint64Array.of(2n ** 63n), 1),
      entry('i32', Int32Array.of(-7, 16777217), 2),
      entry('u32', Uint32Array.of(4294967295), 1),
      entry('i16', Int16Array.of(-300), 1),
      entry('u16', Uint16Array.of(65535), 1),
      entry('i8', Int8Array.of(-128), 1),
      entry('u8', Uint8Array.of(255), 1),
      entry('bool', Uint8Array.of(0, 1), 2),
    ]),
  );
  const values = async (key: DType) => [...(await checkpoint.read(key)).data];
  expect(await values('f64')).toEqual([Math.fround(0.1), -Infinity]);
  expect(await values('f32')).toEqual([Math.fround(0.1), -2]);
  expect(await values('f16')).toEqual([1, -2, Infinity]);
  expect(await values('bf16')).toEqual([1, -2]);
  expect(await values('i64')).toEqual([-3, 2 ** 53]);
  expect(await values('u64')).toEqual([2 ** 63]);
  expect(await values('i32')).toEqual([-7, 16777216]);
  expect(await values('u32')).toEqual([4294967296]);
  expect(await values('i16')).toEqual([-300]);
  expect(await values('u16')).toEqual([65535]);
  expect(await values('i8')).toEqual([-128]);
  expect(await values('u8')).toEqual([255]);
  expect(await values('bool')).toEqual([0, 1]);
});

it('gives the caller an array of its own', async () => {
  const data = new Uint8Array(Float32Array.of(1, 2).buffer);
  const checkpoint = await openCheckpoint(writeSafetensors([{ key: 'a', dtype: 'f32', shape: [2], data }]));
  (await checkpoint.read('a')).data.fill(9);
  (await checkpoint.readRaw('a')).data.fill(9);
  expect([...(await checkpoint.read('a')).data]).toEqual([1, 2]);
});

describe('a damaged file', () => {
  it.each<[string, Uint8Array<ArrayBuffer>, string]>([
    ['shorter than its length field', new Uint8Array(5), 'truncated'],
    ['a header longer than the file', concat(u64(99), '{}'), 'truncated'],
    ['a header of a terabyte', concat(u64(2 ** 40), '{}'), 'corrupt'],
    ['a header of 2^63 bytes', concat([0, 0, 0, 0, 0, 0, 0, 128], '{}'), 'corrupt'],
    ['a header that is not JSON', fileOf('{"a":', 0), 'corrupt'],
    ['a header that is not UTF-8', concat(u64(3), [0x7b, 0xff, 0x7d]), 'corrupt'],
    ['a header that is an array', fileOf([], 0), 'corrupt'],
    ['metadata that is not strings', fileOf({ __metadata__: { a: 1 } }, 0), 'corrupt'],
    ['a tensor that is a number', fileOf({ a: 1 }, 0), 'corrupt'],
    ['a tensor without dtype', fileOf({ a: { shape: [1], data_offsets: [0, 4] } }, 4), 'corrupt'],
    ['an unknown dtype', fileOf({ a: tensor(0, 4, [4], 'F8_E4M3') }, 4), 'unsupported'],
    ['a dtype called constructor', fileOf({ a: tensor(0, 4, [1], 'constructor') }, 4), 'unsupported'],
    ['a fractional dimension', fileOf({ a: tensor(0, 4, [1.5]) }, 4), 'corrupt'],
    ['a negative dimension', fileOf({ a: tensor(0, 4, [-1]) }, 4), 'corrupt'],
    ['dimensions whose product overflows', fileOf({ a: tensor(0, 4, [2 ** 40, 2 ** 40]) }, 4), 'corrupt'],
    ['sizes that contradict the shape', fileOf({ a: tensor(0, 8, [1]) }, 8), 'corrupt'],
    ['offsets in the wrong order', fileOf({ a: tensor(4, 0, [1]) }, 4), 'corrupt'],
    ['three offsets', fileOf({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 8] } }, 4), 'corrupt'],
    ['data cut short', fileOf({ a: tensor(0, 8) }, 7), 'truncated'],
    ['tensors that overlap', fileOf({ a: tensor(0, 8), b: tensor(4, 12) }, 12), 'corrupt'],
    ['the same bytes twice', fileOf({ a: tensor(0, 8), b: tensor(0, 8) }, 8), 'corrupt'],
    ['a hole', fileOf({ a: tensor(0, 4), b: tensor(8, 12) }, 12), 'corrupt'],
    ['trailing bytes', fileOf({ a: tensor(0, 4) }, 5), 'corrupt'],
    [
      'a key that stands twice',
      fileOf(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        8,
      ),
      'corrupt',
    ],
  ])('is refused: %s', async (_, bytes, code) => {
    await expect(openSafetensors(new MemorySource(bytes, 'x.safetensors'))).rejects.toMatchObject({
      name: 'CheckpointError',
      code,
      file: 'x.safetensors',
    });
  });

  it('names the tensor', async () => {
    await expect(openCheckpoint(fileOf({ good: tensor(0, 4), bad: tensor(4, 9, [1]) }, 9))).rejects.toMatchObject({
      key: 'bad',
    });
  });
});

describe('the writer', () => {
  const data = new Uint8Array(4);
  it.each([
    [
      'a key twice',
      [
        { key: 'a', dtype: 'f32' as const, shape: [1], data },
        { key: 'a', dtype: 'f32' as const, shape: [1], data },
      ],
    ],
    ['the metadata key', [{ key: '__metadata__', dtype: 'f32' as const, shape: [1], data }]],
    ['data of another size', [{ key: 'a', dtype: 'f32' as const, shape: [2], data }]],
  ])('refuses %s', (_, entries) => {
    expect(() => writeSafetensors(entries)).toThrow(RangeError);
  });
});

it('stops when aborted', async () => {
  const checkpoint = await openCheckpoint(
    writeSafetensors([{ key: 'a', dtype: 'f32', shape: [1], data: new Uint8Array(4) }]),
  );
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(checkpoint.read('a', { signal })).rejects.toThrow('enough');
});
