/**
 * The safetensors format: a u64 header length, a JSON header, then the tensors' bytes.
 * https://huggingface.co/docs/safetensors
 */
import type { ByteSource } from './byte-source.js';
import { elementCount, toFloat32 } from './convert.js';
import { CheckpointError } from './error.js';
import {
  BYTES_PER_ELEMENT,
  type Checkpoint,
  type DType,
  type FloatTensor,
  type RawTensor,
  type ReadOptions,
  type TensorInfo,
} from './types.js';

/** The reference implementation's limit; a longer header is an attack or not safetensors at all. */
const MAX_HEADER_BYTES = 100_000_000;

const DTYPE_NAMES: Readonly<Record<string, DType>> = {
  F64: 'f64',
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
  I64: 'i64',
  I32: 'i32',
  I16: 'i16',
  I8: 'i8',
  U64: 'u64',
  U32: 'u32',
  U16: 'u16',
  U8: 'u8',
  BOOL: 'bool',
};

interface Entry extends TensorInfo {
  /** First byte in the file. */
  readonly offset: number;
}

/**
 * Opens a safetensors file: reads and validates the header, and nothing else.
 * Tensors are read by range when asked for. The checkpoint owns `source` from here on.
 * @throws CheckpointError `truncated`, `corrupt` (bad header, overlapping tensors, holes, sizes that contradict shapes), `unsupported` (dtype)
 */
export async function openSafetensors(source: ByteSource, options: ReadOptions = {}): Promise<Checkpoint> {
  const { entries, metadata } = await readHeader(source, options);
  return new SafetensorsCheckpoint(source, entries, metadata);
}

async function readHeader(
  source: ByteSource,
  options: ReadOptions,
): Promise<{ entries: Map<string, Entry>; metadata: Record<string, string> }> {
  const file = source.name;
  const corrupt = (message: string, key?: string) =>
    new CheckpointError('corrupt', message, key === undefined ? { file } : { file, key });

  const prefix = await source.read(0, 8, options);
  const headerBytes = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES) throw corrupt(`safetensors header of ${headerBytes} bytes is beyond the limit`);
  const dataStart = 8 + headerBytes;
  const header = parseHeader(await source.read(8, headerBytes, options), corrupt);

  const entries = new Map<string, Entry>();
  let metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(header)) {
    if (key === '__metadata__') {
      // As it was parsed, not assigned: a key of it may be "__proto__".
      metadata = parseMetadata(value, corrupt);
    } else {
      entries.set(key, parseEntry(key, value, dataStart, source, corrupt));
    }
  }
  checkLayout(entries, dataStart, source.size, corrupt);
  return { entries, metadata };
}

type Corrupt = (message: string, key?: string) => CheckpointError;

function parseHeader(bytes: Uint8Array, corrupt: Corrupt): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw corrupt(`safetensors header is not JSON (${String(cause)})`);
  }
  if (!isRecord(header)) throw corrupt('safetensors header is not a JSON object');
  return header;
}

function parseMetadata(value: unknown, corrupt: Corrupt): Record<string, string> {
  if (!isRecord(value) || Object.values(value).some((v) => typeof v !== 'string')) {
    throw corrupt('__metadata__ is not an object of strings');
  }
  return value as Record<string, string>;
}

function parseEntry(key: string, value: unknown, dataStart: number, source: ByteSource, corrupt: Corrupt): Entry {
  if (!isRecord(value)) throw corrupt(`tensor "${key}" is not described by an object`, key);
  const { dtype: name, shape, data_offsets: offsets } = value;
  if (typeof name !== 'string') throw corrupt(`tensor "${key}" has no dtype`, key);
  const dtype = Object.hasOwn(DTYPE_NAMES, name) ? DTYPE_NAMES[name] : undefined;
  if (!dtype) {
    throw new CheckpointError('unsupported', `tensor "${key}" has dtype ${name}`, { file: source.name, key });
  }
  if (!isNaturals(shape)) throw corrupt(`tensor "${key}" has no valid shape`, key);
  if (!isNaturals(offsets) || offsets.length !== 2) throw corrupt(`tensor "${key}" has no valid data_offsets`, key);
  const [start, end] = offsets as [number, number];
  const byteLength = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
  if (end - start !== byteLength) {
    throw corrupt(
      `tensor "${key}" is ${name} [${shape.join(', ')}], ${byteLength} bytes, but holds ${end - start}`,
      key,
    );
  }
  if (dataStart + end > source.size) {
    throw new CheckpointError(
      'truncated',
      `tensor "${key}" ends at byte ${dataStart + end}, the file at ${source.size}`,
      { file: source.name, key },
    );
  }
  return { key, dtype, shape, byteLength, offset: dataStart + start };
}

/** Tensors must tile the rest of the file: an overlap or a hole means that the header or the file was tampered with or damaged. */
function checkLayout(entries: Map<string, Entry>, dataStart: number, fileSize: number, corrupt: Corrupt): void {
  let position = dataStart;
  for (const { key, offset, byteLength } of [...entries.values()].sort(
    (a, b) => a.offset - b.offset || a.byteLength - b.byteLength,
  )) {
    if (offset < position) throw corrupt(`tensor "${key}" overlaps the one before it`, key);
    if (offset > position) throw corrupt(`${offset - position} unexplained bytes before tensor "${key}"`, key);
    position = offset + byteLength;
  }
  if (position !== fileSize) throw corrupt(`${fileSize - position} unexplained bytes after the last tensor`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNaturals(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((v) => Number.isSafeInteger(v) && v >= 0);
}

class SafetensorsCheckpoint implements Checkpoint {
  readonly format = 'safetensors';
  readonly file: string;
  readonly keys: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly #source: ByteSource;
  readonly #entries: Map<string, Entry>;

  constructor(source: ByteSource, entries: Map<string, Entry>, metadata: Record<string, string>) {
    this.#source = source;
    this.#entries = entries;
    this.file = source.name;
    this.keys = [...entries.keys()];
    this.metadata = metadata;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  info(key: string): TensorInfo {
    const { dtype, shape, byteLength } = this.#entry(key);
    return { key, dtype, shape, byteLength };
  }

  async read(key: string, options?: ReadOptions): Promise<FloatTensor> {
    const { dtype, shape, offset, byteLength } = this.#entry(key);
    return { dtype, shape, data: toFloat32(dtype, await this.#source.read(offset, byteLength, options)) };
  }

  async readRaw(key: string, options?: ReadOptions): Promise<RawTensor> {
    const { dtype, shape, offset, byteLength } = this.#entry(key);
    return { dtype, shape, data: (await this.#source.read(offset, byteLength, options)).slice() };
  }

  close(): Promise<void> {
    return this.#source.close();
  }

  #entry(key: string): Entry {
    const entry = this.#entries.get(key);
    if (!entry) throw new CheckpointError('missing-key', `no tensor "${key}"`, { file: this.file, key });
    return entry;
  }
}

/** A tensor to write; `data` is contiguous, C order, little-endian. */
export interface SafetensorsEntry {
  readonly key: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** A tensor whose bytes are produced when their turn comes, so that a file larger than memory can be written. */
export interface StreamedSafetensorsEntry extends Omit<SafetensorsEntry, 'data'> {
  readonly data: () => Uint8Array | Promise<Uint8Array>;
}

/** Options of `writeSafetensors`. */
export interface WriteSafetensorsOptions {
  /** Free text kept in the header, for instance `{ format: 'pt', source: 'DeAOTT_PRE_YTB_DAV.pth' }`. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/**
 * The file as a sequence of chunks: the header, then one chunk a tensor.
 * Wider dtypes come first, so that every tensor is aligned to its element size; otherwise the order given is kept.
 * @throws RangeError for a duplicate key or data whose size contradicts dtype and shape
 */
export async function* streamSafetensors(
  entries: Iterable<StreamedSafetensorsEntry>,
  options: WriteSafetensorsOptions = {},
): AsyncGenerator<Uint8Array> {
  const ordered = [...entries].sort((a, b) => BYTES_PER_ELEMENT[b.dtype] - BYTES_PER_ELEMENT[a.dtype]);
  yield encodeHeader(ordered, options);
  for (const entry of ordered) {
    const bytes = await entry.data();
    checkByteLength(entry, bytes);
    yield bytes;
  }
}

/** The whole file in memory. @throws RangeError as `streamSafetensors` */
export function writeSafetensors(
  entries: Iterable<SafetensorsEntry>,
  options: WriteSafetensorsOptions = {},
): Uint8Array<ArrayBuffer> {
  const ordered = [...entries].sort((a, b) => BYTES_PER_ELEMENT[b.dtype] - BYTES_PER_ELEMENT[a.dtype]);
  const header = encodeHeader(ordered, options);
  const file = new Uint8Array(header.byteLength + ordered.reduce((sum, entry) => sum + entry.data.byteLength, 0));
  file.set(header);
  let offset = header.byteLength;
  for (const entry of ordered) {
    checkByteLength(entry, entry.data);
    file.set(entry.data, offset);
    offset += entry.data.byteLength;
  }
  return file;
}

function encodeHeader(ordered: readonly Omit<SafetensorsEntry, 'data'>[], options: WriteSafetensorsOptions) {
  // Pairs and Object.fromEntries, not assignment: a tensor may be called "__proto__".
  const header: [string, unknown][] = [];
  const seen = new Set<string>();
  if (options.metadata) header.push(['__metadata__', options.metadata]);
  let offset = 0;
  for (const { key, dtype, shape } of ordered) {
    if (seen.has(key) || key === '__metadata__') throw new RangeError(`tensor key "${key}" cannot be used (again)`);
    seen.add(key);
    const end = offset + elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    header.push([key, { dtype: dtype.toUpperCase(), shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const padded = Math.ceil(json.byteLength / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}

function checkByteLength({ key, dtype, shape }: Omit<SafetensorsEntry, 'data'>, bytes: Uint8Array): void {
  const expected = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
  if (bytes.byteLength !== expected) {
    throw new RangeError(
      `tensor "${key}": ${dtype} [${shape.join(', ')}] needs ${expected} bytes, got ${bytes.byteLength}`,
    );
  }
}
