/**
 * What `torch.save` writes: since 1.6 a zip archive of a pickle and one record per storage, before that ("legacy") pickles followed by storages.
 * The pickle is run by a restricted machine; a storage is read only when a tensor in it is asked for, and then only the tensor's own range.
 */
import type { ByteSource } from './byte-source.js';
import { elementCount, toFloat32 } from './convert.js';
import { CheckpointError } from './error.js';
import { findStateDict, type StateDict } from './state-dict.js';
import { gatherStrided, isContiguous } from './strided.js';
import { lastElement, type StorageRef, storageRef, type TensorRef, torchGlobals } from './torch-globals.js';
import {
  BYTES_PER_ELEMENT,
  type Checkpoint,
  type FloatTensor,
  type RawTensor,
  type ReadOptions,
  type TensorInfo,
} from './types.js';
import { type Unpickled, type UnpicklerOptions, unpickle } from './unpickler.js';
import { readZipDirectory, type ZipEntry, zipContentOffset } from './zip.js';

/** The largest pickle of a known checkpoint is under 1 MiB; one with optimizer state of a large model a few. */
const MAX_PICKLE_BYTES = 256 << 20;
const FIRST_PICKLE_WINDOW = 1 << 20;

const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;

/**
 * Opens a zip `.pth`/`.pt`. The checkpoint owns `source` from here on.
 * @throws CheckpointError `forbidden-global`, `truncated`, `corrupt`, `unsupported` (TorchScript, big-endian, compressed), `unknown-format`
 */
export async function openPyTorchZip(source: ByteSource, options: ReadOptions = {}): Promise<Checkpoint> {
  const file = source.name;
  const directory = await readZipDirectory(source, options);
  const pickle = [...directory.values()].find(({ name }) => /^(?:[^/]+\/)?data\.pkl$/.test(name));
  if (!pickle) {
    throw new CheckpointError('unknown-format', 'a zip archive, but not one of torch.save: it has no data.pkl', {
      file,
    });
  }
  const root = pickle.name.slice(0, -'data.pkl'.length);
  if (directory.has(`${root}constants.pkl`)) {
    throw new CheckpointError('unsupported', 'a TorchScript archive; save its state_dict with torch.save', { file });
  }
  if (pickle.size > MAX_PICKLE_BYTES)
    throw new CheckpointError('too-large', `pickle of ${pickle.size} bytes`, { file });
  const byteOrder = directory.get(`${root}byteorder`);
  if (byteOrder && new TextDecoder().decode(await readEntry(source, byteOrder, options)) === 'big') {
    throw new CheckpointError('unsupported', 'saved on a big-endian machine', { file });
  }

  const { value } = unpickle(await readEntry(source, pickle, options), torchOptions(file));
  const state = findStateDict(value, file);
  const storages = new Map<string, ZipEntry>();
  for (const [key, { storage }] of state.tensors) {
    const entry = directory.get(`${root}data/${storage.key}`);
    const needed = storage.elements * BYTES_PER_ELEMENT[storage.dtype];
    if (!entry) throw new CheckpointError('corrupt', `the storage of "${key}" is not in the archive`, { file, key });
    if (entry.size !== needed) {
      throw new CheckpointError('corrupt', `the storage of "${key}" has ${entry.size} bytes instead of ${needed}`, {
        file,
        key,
      });
    }
    storages.set(storage.key, entry);
  }
  const locate = (storage: StorageRef, readOptions?: ReadOptions) =>
    zipContentOffset(source, storages.get(storage.key)!, readOptions);
  return new PyTorchCheckpoint('pytorch-zip', source, state, locate);
}

async function readEntry(source: ByteSource, entry: ZipEntry, options: ReadOptions) {
  return source.read(await zipContentOffset(source, entry, options), entry.size, options);
}

/**
 * Opens a `.pth` of PyTorch before 1.6 (or of `_use_new_zipfile_serialization=False`):
 * pickles of a magic number, a version, the machine, the object and the storage keys; then each storage as an int64 count and its elements.
 * @throws CheckpointError as `openPyTorchZip`
 */
export async function openPyTorchLegacy(source: ByteSource, options: ReadOptions = {}): Promise<Checkpoint> {
  const file = source.name;
  const pickles = new PickleStream(source, options);
  const header = { file, globals: torchGlobals(file) };
  // A bare pickle is not a checkpoint, but if it asks for something forbidden, that is what its owner should be told.
  if ((await pickles.next(header)) !== LEGACY_MAGIC) {
    throw new CheckpointError('unknown-format', 'a pickle, but not one of torch.save', { file });
  }
  const version = await pickles.next(header);
  if (version !== LEGACY_PROTOCOL) {
    throw new CheckpointError('unsupported', `legacy format version ${String(version)}`, { file });
  }
  const machine = await pickles.next(header);
  if (machine instanceof Map && machine.get('little_endian') === false) {
    throw new CheckpointError('unsupported', 'saved on a big-endian machine', { file });
  }
  const storages = new Map<string, StorageRef>();
  const value = await pickles.next({
    ...torchOptions(file),
    persistentLoad: (id) => {
      const storage = storageRef(id, file);
      const known = storages.get(storage.key);
      if (known && (known.dtype !== storage.dtype || known.elements !== storage.elements)) {
        throw new CheckpointError('corrupt', `storage "${storage.key}" is described in two ways`, { file });
      }
      storages.set(storage.key, storage);
      return storage;
    },
  });
  const state = findStateDict(value, file);
  const order = await pickles.next(header);
  if (!Array.isArray(order)) throw new CheckpointError('corrupt', 'the list of storages is no list', { file });

  const offsets = new Map<string, number>();
  let position = pickles.position;
  for (const key of order) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (!storage) throw new CheckpointError('corrupt', 'a storage is listed that no tensor uses', { file });
    const countBytes = await source.read(position, 8, options);
    const elements = Number(new DataView(countBytes.buffer, countBytes.byteOffset, 8).getBigInt64(0, true));
    if (elements !== storage.elements) {
      throw new CheckpointError(
        'corrupt',
        `storage "${storage.key}" has ${elements} elements instead of ${storage.elements}`,
        { file },
      );
    }
    offsets.set(storage.key, position + 8);
    position += 8 + elements * BYTES_PER_ELEMENT[storage.dtype];
  }
  if (position > source.size) {
    throw new CheckpointError('truncated', `the storages need ${position} bytes, the file has ${source.size}`, {
      file,
    });
  }
  for (const [key, { storage }] of state.tensors) {
    if (!offsets.has(storage.key)) {
      throw new CheckpointError('corrupt', `the storage of "${key}" is not in the file`, { file, key });
    }
  }
  return new PyTorchCheckpoint('pytorch-legacy', source, state, async ({ key }) => offsets.get(key)!);
}

function torchOptions(file: string): UnpicklerOptions {
  return { file, globals: torchGlobals(file), persistentLoad: (id) => storageRef(id, file) };
}

/** Pickles that follow each other in a file and do not say how long they are. */
class PickleStream {
  position = 0;
  readonly #source: ByteSource;
  readonly #readOptions: ReadOptions;

  constructor(source: ByteSource, options: ReadOptions) {
    this.#source = source;
    this.#readOptions = options;
  }

  /** Runs the next pickle, on a window that grows until the pickle's end is in it. */
  async next(options: UnpicklerOptions) {
    for (let window = FIRST_PICKLE_WINDOW; ; window *= 4) {
      const length = Math.min(window, this.#source.size - this.position);
      const bytes = await this.#source.read(this.position, length, this.#readOptions);
      const result = this.#run(bytes, options, length === this.#source.size - this.position);
      if (result) {
        this.position += result.end;
        return result.value;
      }
      if (window > MAX_PICKLE_BYTES) {
        throw new CheckpointError('too-large', `pickle of more than ${MAX_PICKLE_BYTES} bytes`, { file: options.file });
      }
    }
  }

  #run(bytes: Uint8Array, options: UnpicklerOptions, isAll: boolean): Unpickled | undefined {
    try {
      return unpickle(bytes, options);
    } catch (error) {
      if (!isAll && error instanceof CheckpointError && error.code === 'truncated') return undefined;
      throw error;
    }
  }
}

type Locate = (storage: StorageRef, options?: ReadOptions) => Promise<number>;

class PyTorchCheckpoint implements Checkpoint {
  readonly format: 'pytorch-zip' | 'pytorch-legacy';
  readonly file: string;
  readonly keys: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly #source: ByteSource;
  readonly #tensors: ReadonlyMap<string, TensorRef>;
  readonly #locate: Locate;

  constructor(format: 'pytorch-zip' | 'pytorch-legacy', source: ByteSource, state: StateDict, locate: Locate) {
    this.format = format;
    this.#source = source;
    this.#locate = locate;
    this.#tensors = state.tensors;
    this.file = source.name;
    this.keys = [...state.tensors.keys()];
    this.metadata = {
      ...(state.container && { container: state.container }),
      ...(state.skipped.length && { skipped: state.skipped.join(', ') }),
    };
  }

  has(key: string): boolean {
    return this.#tensors.has(key);
  }

  info(key: string): TensorInfo {
    const { storage, shape } = this.#tensor(key);
    const { dtype } = storage;
    return { key, dtype, shape, byteLength: elementCount(shape) * BYTES_PER_ELEMENT[dtype] };
  }

  async read(key: string, options?: ReadOptions): Promise<FloatTensor> {
    const { dtype, shape, bytes } = await this.#bytes(key, options);
    return { dtype, shape, data: toFloat32(dtype, bytes) };
  }

  async readRaw(key: string, options?: ReadOptions): Promise<RawTensor> {
    const { dtype, shape, bytes } = await this.#bytes(key, options);
    return { dtype, shape, data: bytes.slice() };
  }

  close(): Promise<void> {
    return this.#source.close();
  }

  async #bytes(key: string, options?: ReadOptions) {
    const { storage, offset, shape, strides } = this.#tensor(key);
    const { dtype } = storage;
    if (elementCount(shape) === 0) return { dtype, shape, bytes: new Uint8Array(0) };
    const size = BYTES_PER_ELEMENT[dtype];
    const start = (await this.#locate(storage, options)) + offset * size;
    const bytes = await this.#source.read(start, (lastElement(shape, strides) + 1) * size, options);
    return { dtype, shape, bytes: isContiguous(shape, strides) ? bytes : gatherStrided(dtype, bytes, shape, strides) };
  }

  #tensor(key: string): TensorRef {
    const tensor = this.#tensors.get(key);
    if (!tensor) throw new CheckpointError('missing-key', `no tensor "${key}"`, { file: this.file, key });
    return tensor;
  }
}
