import {
  type ByteSource,
  type Checkpoint,
  type CheckpointInput,
  type LoadProgress,
  openByteSource,
  openCheckpoint,
} from '@samtrack/models';

/** How weights are loaded, whatever the model. */
export interface WeightsOptions {
  signal?: AbortSignal | undefined;
  /** Called as bytes of the weights arrive, from the network or the disk. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Whether browsers keep weights from a URL in the origin's Cache Storage, for the next visit; true by default. */
  cache?: boolean | undefined;
}

/** Opens a checkpoint for as long as a model is made of it. @throws CheckpointError; whatever `load` throws; the signal's reason */
export async function withWeights<T>(
  weights: CheckpointInput,
  { signal, onProgress, cache = true }: WeightsOptions,
  load: (checkpoint: Checkpoint, source: ByteSource) => Promise<T>,
): Promise<T> {
  let total: number | undefined;
  const counted = (progress: LoadProgress) => {
    total = progress.total;
    onProgress?.(progress);
  };
  const source = await openByteSource(weights, { signal, cache, onProgress: onProgress && counted });
  const checkpoint = await openCheckpoint(source, { signal });
  try {
    const model = await load(checkpoint, source);
    // Tensors that the model has no use for are not read.
    if (total !== undefined) onProgress?.({ bytes: total, total });
    return model;
  } finally {
    await checkpoint.close();
  }
}

/** What messages and records call weights: the name of a file or Blob, or the last part of a URL. */
export function weightsName(weights: CheckpointInput): string {
  if (typeof weights === 'string' || weights instanceof URL) {
    return String(weights)
      .replace(/[?#].*$/, '')
      .replace(/^.*[\\/]/, '');
  }
  return 'name' in weights && typeof weights.name === 'string' ? weights.name : 'bytes';
}
