/** Snapshots as files: safetensors, with the state in the metadata, and a checksum of all of it behind the tensors. */
import type { ByteSource } from '../checkpoint/byte-source.js';
import { openSafetensors, type StreamedSafetensorsEntry, streamSafetensors } from '../checkpoint/safetensors.js';
import type { Checkpoint } from '../checkpoint/types.js';
import { TrackerError } from './errors.js';
import type { SnapshotTensor, TrackerSnapshot } from './snapshot.js';

const FORMAT = 'samtrack-tracker-memory';
/** Files of another one are not read. */
const VERSION = '1';
/** Name of the checksum: its one byte a value puts it behind all tensors. */
const CHECKSUM = 'sha256';

/** A snapshot that lies in a file. */
export interface StoredSnapshot extends TrackerSnapshot {
  /** What it was stored with. */
  readonly about: string;
}

/**
 * The bytes of a snapshot, piece by piece, of which each is small enough to lie in memory.
 * @param about by what its user knows whether it fits
 */
export async function* storedSnapshot({ state, tensors }: TrackerSnapshot, about: string): AsyncGenerator<Uint8Array> {
  const metadata = { format: FORMAT, version: VERSION, about, state: JSON.stringify(state) };
  const checksum = new Checksum(metadata);
  const entries: StreamedSafetensorsEntry[] = [...tensors].map(([key, { shape, read }]) => ({
    key,
    dtype: 'f32',
    shape,
    data: async () => {
      const { buffer, byteOffset, byteLength } = await read();
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      await checksum.add(key, shape, bytes);
      return bytes;
    },
  }));
  yield* streamSafetensors([...entries, { key: CHECKSUM, dtype: 'u8', shape: [32], data: () => checksum.value() }], {
    metadata,
  });
}

/**
 * Opens a stored snapshot, and reads it once to see whether it is what was stored. Its tensors are read from the source when they are asked for.
 * @throws TrackerError `snapshot` where it is damaged or of another version
 */
export async function openSnapshot(source: ByteSource): Promise<StoredSnapshot> {
  let file: Checkpoint;
  try {
    file = await openSafetensors(source);
  } catch (cause) {
    throw new TrackerError('snapshot', `${source.name} is damaged: ${(cause as Error).message}`);
  }
  const { format, version, about = '', state = '' } = file.metadata;
  if (format !== FORMAT || version !== VERSION) {
    throw new TrackerError('snapshot', `${source.name} is no ${FORMAT} of version ${VERSION}`);
  }
  const checksum = new Checksum({ format, version, about, state });
  const tensors = new Map<string, SnapshotTensor>();
  for (const key of file.keys) {
    if (key === CHECKSUM) continue;
    const { shape } = file.info(key);
    await checksum.add(key, shape, (await file.readRaw(key)).data);
    tensors.set(key, { shape, read: async () => (await file.read(key)).data });
  }
  const stored = file.has(CHECKSUM) ? (await file.readRaw(CHECKSUM)).data : new Uint8Array();
  if (stored.join() !== (await checksum.value()).join()) {
    throw new TrackerError('snapshot', `${source.name} is damaged: its checksum is not that of what it holds`);
  }
  return { about, state: JSON.parse(state), tensors };
}

/** SHA-256 of a list: the metadata, then each tensor's name, shape and digest. */
class Checksum {
  readonly #lines: string[];

  constructor(metadata: Readonly<Record<string, string>>) {
    this.#lines = Object.entries(metadata).map((entry) => JSON.stringify(entry));
  }

  async add(name: string, shape: readonly number[], bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#lines.push(JSON.stringify([name, shape, [...(await sha256(bytes))]]));
  }

  value(): Promise<Uint8Array> {
    return sha256(new TextEncoder().encode(this.#lines.join('\n')));
  }
}

const sha256 = async (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
