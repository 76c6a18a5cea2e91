/** Hand-made files for the checkpoint tests: pickles and zips that PyTorch would never write. */

const encoder = new TextEncoder();

export function concat(...parts: (Uint8Array | string | number[])[]): Uint8Array<ArrayBuffer> {
  const arrays = parts.map((part) => (typeof part === 'string' ? encoder.encode(part) : Uint8Array.from(part)));
  const out = new Uint8Array(arrays.reduce((sum, array) => sum + array.byteLength, 0));
  let offset = 0;
  for (const array of arrays) {
    out.set(array, offset);
    offset += array.byteLength;
  }
  return out;
}

const u16 = (value: number) => [value & 255, (value >> 8) & 255];
const u32 = (value: number) => [...u16(value & 0xffff), ...u16(value >>> 16)];
export const u64 = (value: number) => [...u32(value % 2 ** 32), ...u32(Math.floor(value / 2 ** 32))];

/** Pickle opcodes, enough to write what the tests need. */
export const P = {
  proto: [0x80, 2],
  stop: '.',
  mark: '(',
  none: 'N',
  emptyDict: '}',
  emptyTuple: ')',
  emptyList: ']',
  append: 'a',
  setItem: 's',
  setItems: 'u',
  tuple: 't',
  tuple1: [0x85],
  reduce: 'R',
  build: 'b',
  persistentId: 'Q',
  global: (module: string, name: string) => `c${module}\n${name}\n`,
  stackGlobal: [0x93],
  string: (text: string) => concat('X', u32(encoder.encode(text).length), text),
  int: (value: number) => concat('J', u32(value)),
  long: (bytes: number[]) => concat([0x8a, bytes.length], bytes),
  put: (index: number) => ['q'.charCodeAt(0), index],
  get: (index: number) => ['h'.charCodeAt(0), index],
};

export interface TensorPickle {
  storageType?: string;
  storageKey?: string;
  elements?: number;
  offset?: number;
  shape?: number[];
  strides?: number[];
}

/** `torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, False, OrderedDict())`. */
export function tensorPickle({
  storageType = 'FloatStorage',
  storageKey = '0',
  elements = 4,
  offset = 0,
  shape = [4],
  strides = [1],
}: TensorPickle = {}): Uint8Array<ArrayBuffer> {
  const ints = (values: number[]) => concat(P.mark, ...values.map(P.int), P.tuple);
  return concat(
    P.global('torch._utils', '_rebuild_tensor_v2'),
    P.mark,
    P.mark,
    P.string('storage'),
    P.global('torch', storageType),
    P.string(storageKey),
    P.string('cpu'),
    P.int(elements),
    P.tuple,
    P.persistentId,
    P.int(offset),
    ints(shape),
    ints(strides),
    [0x89],
    P.global('collections', 'OrderedDict'),
    P.emptyTuple,
    P.reduce,
    P.tuple,
    P.reduce,
  );
}

/** A dict pickle; keys are strings, values are pickle fragments. */
export function dictPickle(items: Record<string, Uint8Array | string | number[]>): Uint8Array<ArrayBuffer> {
  const body = Object.entries(items).map(([key, value]) => concat(P.string(key), value, P.setItem));
  return concat(P.emptyDict, ...body);
}

export const pickle = (...parts: (Uint8Array | string | number[])[]) => concat(P.proto, ...parts, P.stop);

export interface ZipOptions {
  zip64?: boolean;
  /** Compression method written for every entry; 0 is stored. */
  method?: number;
}

/** A zip of stored entries. CRCs are left zero: nothing here checks them. */
export function zip(entries: Record<string, Uint8Array>, { zip64 = false, method = 0 }: ZipOptions = {}) {
  const locals: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(entries)) {
    const nameBytes = encoder.encode(name);
    // torch pads local headers with an extra field so that contents are aligned; the directory has no such field.
    const padding = concat('FB', u16(5), [0, 0, 0, 0, 0]);
    const size = zip64 ? u32(0xffffffff) : u32(content.length);
    const common = (extra: number) => [
      ...u16(0),
      ...u16(method),
      ...u32(0),
      ...u32(0),
      ...size,
      ...size,
      ...u16(nameBytes.length),
      ...u16(extra),
    ];
    locals.push(concat('PK\x03\x04', u16(45), common(padding.length), nameBytes, padding, content));
    const extra = zip64 ? concat(u16(1), u16(24), u64(content.length), u64(content.length), u64(offset)) : concat();
    directory.push(
      concat(
        'PK\x01\x02',
        u16(45),
        u16(45),
        common(extra.length),
        u16(0),
        u16(0),
        u16(0),
        u32(0),
        zip64 ? u32(0xffffffff) : u32(offset),
        nameBytes,
        extra,
      ),
    );
    offset += locals.at(-1)!.length;
  }
  const count = directory.length;
  const size = directory.reduce((sum, entry) => sum + entry.length, 0);
  const end64 = zip64
    ? concat(
        'PK\x06\x06',
        u64(44),
        u16(45),
        u16(45),
        u32(0),
        u32(0),
        u64(count),
        u64(count),
        u64(size),
        u64(offset),
        'PK\x06\x07',
        u32(0),
        u64(offset + size),
        u32(1),
      )
    : concat();
  const end = zip64
    ? concat('PK\x05\x06', u16(0), u16(0), u16(0xffff), u16(0xffff), u32(0xffffffff), u32(0xffffffff), u16(0))
    : concat('PK\x05\x06', u16(0), u16(0), u16(count), u16(count), u32(size), u32(offset), u16(0));
  return concat(...locals, ...directory, end64, end);
}

/** A `torch.save` archive of a hand-made pickle. */
export function torchZip(data: Uint8Array, storages: Record<string, Uint8Array> = {}, options?: ZipOptions) {
  const records = Object.fromEntries(Object.entries(storages).map(([key, bytes]) => [`archive/data/${key}`, bytes]));
  return zip({ 'archive/data.pkl': data, 'archive/version': encoder.encode('3\n'), ...records }, options);
}

/** A legacy `torch.save` file of a hand-made pickle. */
export function torchLegacy(data: Uint8Array, order: string[], storages: Uint8Array[], { littleEndian = true } = {}) {
  return concat(
    pickle(P.long([0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19])),
    pickle(P.int(1001)),
    pickle(dictPickle({ protocol_version: P.int(1001), little_endian: [littleEndian ? 0x88 : 0x89] })),
    data,
    pickle(P.emptyList, ...order.map((key) => concat(P.string(key), P.append))),
    ...storages,
  );
}

export const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
