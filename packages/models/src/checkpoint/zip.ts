/**
 * The part of the zip format that `torch.save` uses: stored entries, found through the central directory, zip64 where sizes need it.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (sections 4.3 and 4.5)
 */
import type { ByteSource } from './byte-source.js';
import { CheckpointError } from './error.js';
import type { ReadOptions } from './types.js';

const END_RECORD = 0x06054b50;
const END_RECORD_BYTES = 22;
const ZIP64_LOCATOR = 0x07064b50;
const ZIP64_LOCATOR_BYTES = 20;
const ZIP64_END_RECORD = 0x06064b50;
const ZIP64_END_RECORD_BYTES = 56;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_ENTRY_BYTES = 46;
const LOCAL_HEADER = 0x04034b50;
const LOCAL_HEADER_BYTES = 30;
const MAX_COMMENT_BYTES = 0xffff;
const ZIP64_EXTRA = 0x0001;
/** The largest checkpoint we know has about 1,600 entries of 100 bytes. */
const MAX_DIRECTORY_BYTES = 64 << 20;

export interface ZipEntry {
  readonly name: string;
  /** Bytes of content; entries are stored, so this is also their size in the file. */
  readonly size: number;
  /** Offset of the local header. */
  readonly headerOffset: number;
  /** False for a compressed or encrypted entry, whose content cannot be read by range. */
  readonly stored: boolean;
}

/** Reads the central directory. @throws CheckpointError `truncated` (no directory: the file is cut short), `corrupt`, `too-large` */
export async function readZipDirectory(source: ByteSource, options?: ReadOptions): Promise<Map<string, ZipEntry>> {
  const { offset, size, count } = await findDirectory(source, options);
  if (size > MAX_DIRECTORY_BYTES) {
    throw new CheckpointError('too-large', `zip directory of ${size} bytes`, { file: source.name });
  }
  const bytes = await source.read(offset, size, options);
  const view = viewOf(bytes);
  const entries = new Map<string, ZipEntry>();
  let position = 0;
  for (let i = 0; i < count; i++) {
    if (position + DIRECTORY_ENTRY_BYTES > size || view.getUint32(position, true) !== DIRECTORY_ENTRY) {
      throw corrupt(source, `entry ${i} of the zip directory is damaged`);
    }
    const nameBytes = view.getUint16(position + 28, true);
    const extraBytes = view.getUint16(position + 30, true);
    const commentBytes = view.getUint16(position + 32, true);
    const end = position + DIRECTORY_ENTRY_BYTES + nameBytes + extraBytes + commentBytes;
    if (end > size) throw corrupt(source, `entry ${i} of the zip directory is damaged`);
    const nameStart = position + DIRECTORY_ENTRY_BYTES;
    const name = new TextDecoder().decode(bytes.subarray(nameStart, nameStart + nameBytes));
    const encrypted = (view.getUint16(position + 8, true) & 1) !== 0;
    const method = view.getUint16(position + 10, true);
    const wide = readZip64Extra(view, position, nameStart + nameBytes, extraBytes);
    if (!wide) throw corrupt(source, `zip entry "${name}" has a damaged zip64 field`);
    entries.set(name, { name, ...wide, stored: method === 0 && !encrypted });
    position = end;
  }
  return entries;
}

/** Offset of an entry's content. The local header must be read for it: its extra field differs from the directory's. */
export async function zipContentOffset(source: ByteSource, entry: ZipEntry, options?: ReadOptions): Promise<number> {
  if (!entry.stored) {
    throw new CheckpointError(
      'unsupported',
      `zip entry "${entry.name}" is compressed or encrypted; torch stores plainly`,
      {
        file: source.name,
      },
    );
  }
  const view = viewOf(await source.read(entry.headerOffset, LOCAL_HEADER_BYTES, options));
  if (view.getUint32(0, true) !== LOCAL_HEADER) throw corrupt(source, `zip entry "${entry.name}" has no local header`);
  return entry.headerOffset + LOCAL_HEADER_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
}

async function findDirectory(
  source: ByteSource,
  options?: ReadOptions,
): Promise<{ offset: number; size: number; count: number }> {
  const tailBytes = Math.min(source.size, END_RECORD_BYTES + MAX_COMMENT_BYTES);
  const tailStart = source.size - tailBytes;
  const view = viewOf(await source.read(tailStart, tailBytes, options));
  for (let at = tailBytes - END_RECORD_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) !== END_RECORD) continue;
    if (at + END_RECORD_BYTES + view.getUint16(at + 20, true) > tailBytes) continue;
    const count = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 12, true);
    const offset = view.getUint32(at + 16, true);
    const wide = await readZip64End(source, tailStart + at, options);
    return wide ?? { offset, size, count };
  }
  throw new CheckpointError('truncated', 'zip archive without its directory: the file is incomplete, fetch it again', {
    file: source.name,
  });
}

async function readZip64End(source: ByteSource, endRecord: number, options?: ReadOptions) {
  const locatorAt = endRecord - ZIP64_LOCATOR_BYTES;
  if (locatorAt < 0) return undefined;
  const locator = viewOf(await source.read(locatorAt, ZIP64_LOCATOR_BYTES, options));
  if (locator.getUint32(0, true) !== ZIP64_LOCATOR) return undefined;
  const record = viewOf(await source.read(u64(locator, 8), ZIP64_END_RECORD_BYTES, options));
  if (record.getUint32(0, true) !== ZIP64_END_RECORD) throw corrupt(source, 'zip64 end record is damaged');
  return { count: u64(record, 32), size: u64(record, 40), offset: u64(record, 48) };
}

/** Sizes and offset of a directory entry; 32-bit fields of all ones are replaced by the zip64 extra field, in this order. */
function readZip64Extra(view: DataView, entry: number, extraStart: number, extraBytes: number) {
  const compressed = view.getUint32(entry + 20, true);
  let size = view.getUint32(entry + 24, true);
  let headerOffset = view.getUint32(entry + 42, true);
  if (size !== 0xffffffff && headerOffset !== 0xffffffff && compressed !== 0xffffffff) return { size, headerOffset };
  const extraEnd = extraStart + extraBytes;
  for (let at = extraStart; at + 4 <= extraEnd; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== ZIP64_EXTRA) continue;
    const end = Math.min(extraEnd, at + 4 + view.getUint16(at + 2, true));
    let field = at + 4;
    const next = () => {
      if (field + 8 > end) return undefined;
      field += 8;
      return u64(view, field - 8);
    };
    if (size === 0xffffffff) size = next() ?? Number.NaN;
    if (compressed === 0xffffffff) next();
    if (headerOffset === 0xffffffff) headerOffset = next() ?? Number.NaN;
    return Number.isSafeInteger(size) && Number.isSafeInteger(headerOffset) ? { size, headerOffset } : undefined;
  }
  return undefined;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function u64(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

function corrupt(source: ByteSource, message: string): CheckpointError {
  return new CheckpointError('corrupt', message, { file: source.name });
}
