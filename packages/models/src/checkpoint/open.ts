import { openLocation } from '#platform';
import { BlobSource, type ByteSource, CountingSource, MemorySource } from './byte-source.js';
import { CheckpointError } from './error.js';
import { withPlainKeys } from './key-maps/wrappers.js';
import { openManifest } from './procedural.js';
import { openPyTorchLegacy, openPyTorchZip } from './pytorch.js';
import { openSafetensors } from './safetensors.js';
import { type FileKind, SNIFF_BYTES, sniff } from './sniff.js';
import type { Checkpoint, LocationOptions, ReadOptions } from './types.js';

/** The largest manifest of a supported model is under 1 MiB. */
const MAX_MANIFEST_BYTES = 64 << 20;

/** A path (Node), a URL, a chosen file, or bytes; these are not copied, and must not change while they are read. */
export type CheckpointInput = string | URL | Blob | Uint8Array<ArrayBuffer> | ArrayBuffer | ByteSource;

/** Options of `openCheckpoint`. `onProgress` is called as bytes are read, while the checkpoint is open. */
export interface OpenCheckpointOptions extends LocationOptions {
  /** What messages call the input; by default its path, URL or file name. */
  readonly name?: string | undefined;
}

/**
 * Opens a checkpoint of any supported format, told by content: safetensors, PyTorch zip or legacy `.pth`, procedural manifest (JSON).
 * Only names and shapes are read. Close it when done.
 * @throws CheckpointError, its `code` says what is wrong; the signal's reason when aborted
 */
export async function openCheckpoint(input: CheckpointInput, options: OpenCheckpointOptions = {}): Promise<Checkpoint> {
  const source = await openByteSource(input, options);
  try {
    options.signal?.throwIfAborted();
    return withPlainKeys(await openSource(source, options));
  } catch (error) {
    await source.close();
    // An allocation or a collection beyond the engine's limits; only absurd sizes get there.
    if (error instanceof RangeError) {
      throw new CheckpointError('too-large', error.message, { file: source.name, cause: error });
    }
    throw error;
  }
}

/**
 * A checkpoint's bytes, as they are stored.
 * @throws CheckpointError where there is no such file or it cannot be read
 */
export async function openByteSource(input: CheckpointInput, options: OpenCheckpointOptions = {}): Promise<ByteSource> {
  if (typeof input === 'string' || input instanceof URL) return openLocation(input, options);
  const { name, onProgress } = options;
  const source = heldSource(input, name);
  return onProgress ? new CountingSource(source, onProgress) : source;
}

function heldSource(input: Exclude<CheckpointInput, string | URL>, name: string | undefined): ByteSource {
  if (input instanceof Blob) return new BlobSource(input, name);
  if (input instanceof ArrayBuffer) return new MemorySource(new Uint8Array(input), name);
  if (input instanceof Uint8Array) return new MemorySource(input, name);
  if (typeof input?.read === 'function') return input;
  const given = input === null ? 'null' : typeof input;
  throw new CheckpointError('unreadable', `weights are a path, a URL, a Blob or bytes, and not ${given}`);
}

async function openSource(source: ByteSource, options: ReadOptions): Promise<Checkpoint> {
  const kind = sniff(await source.read(0, Math.min(SNIFF_BYTES, source.size), options));
  switch (kind) {
    case 'safetensors':
      return openSafetensors(source, options);
    case 'zip':
      return openPyTorchZip(source, options);
    case 'pickle':
      return openPyTorchLegacy(source, options);
    case 'json':
      return openManifestSource(source, options);
    default:
      throw refuse(kind, source.name);
  }
}

async function openManifestSource(source: ByteSource, options: ReadOptions): Promise<Checkpoint> {
  const file = source.name;
  if (source.size > MAX_MANIFEST_BYTES) {
    throw new CheckpointError('too-large', `manifest of ${source.size} bytes`, { file });
  }
  const text = new TextDecoder().decode(await source.read(0, source.size, options));
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError('corrupt', `not JSON (${String(cause)})`, { file, cause });
  }
  const checkpoint = openManifest(manifest, file);
  // The file stays open until then, as that of any other checkpoint.
  checkpoint.close = () => source.close();
  return checkpoint;
}

function refuse(kind: Exclude<FileKind, 'safetensors' | 'zip' | 'pickle' | 'json'>, file: string): CheckpointError {
  switch (kind) {
    case 'html':
      return new CheckpointError(
        'html',
        'looks like an HTML page, not a checkpoint: the site answered with a log-in, quota or error page. Fetch it again',
        { file },
      );
    case 'empty':
      return new CheckpointError('truncated', 'the file is empty', { file });
    case 'git-lfs-pointer':
      return new CheckpointError('unknown-format', 'a Git LFS pointer, not the file it points to: run `git lfs pull`', {
        file,
      });
    case 'gzip':
      return new CheckpointError('unsupported', 'compressed with gzip: unpack it first', { file });
    case 'tar':
      return new CheckpointError('unsupported', 'a tar archive (PyTorch before 0.1.10?): unpack or re-save it', {
        file,
      });
    case 'unknown':
      return new CheckpointError('unknown-format', 'neither safetensors nor PyTorch nor a manifest', { file });
  }
}
