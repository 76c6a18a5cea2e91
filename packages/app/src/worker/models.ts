import {
  type Architecture,
  type Checkpoint,
  CheckpointError,
  describeArchitecture,
  detectArchitecture,
  modelNames,
  openCheckpoint,
} from '@samtrack/models/checkpoint';
import { OutputError } from 'samtrack';
import type { StoredModel } from '../protocol.js';
import { ROLES } from '../roles.js';
import { canBeHalved, writeHalved } from './float16.js';
import { folderOf, modelFile, writeFile } from './storage.js';

/**
 * Opens a checkpoint, and does something with what its tensors tell that it is.
 * @throws CheckpointError for anything that is none of a model we have
 */
async function withCheckpoint<T>(
  file: File,
  work: (checkpoint: Checkpoint, architecture: Architecture, id: string) => T | Promise<T>,
): Promise<T> {
  const checkpoint = await openCheckpoint(file);
  try {
    const architecture = detectArchitecture(checkpoint);
    const [id] = architecture ? modelNames(architecture) : [];
    if (!architecture || !id) {
      throw new CheckpointError('wrong-architecture', 'the file holds no model that SAMTrack knows', {
        file: file.name,
      });
    }
    return await work(checkpoint, architecture, id);
  } finally {
    await checkpoint.close();
  }
}

/** What a checkpoint holds. @throws CheckpointError */
const inspect = (file: File): Promise<StoredModel> =>
  withCheckpoint(file, (checkpoint, architecture, id) => {
    const float16 = checkpoint.keys.some((key) => checkpoint.info(key).dtype === 'f16');
    return {
      file: file.name,
      bytes: file.size,
      roles: ROLES[architecture.family],
      id,
      title: describeArchitecture(architecture),
      float16,
      madeFrom: (float16 && checkpoint.metadata['source']) || undefined,
    };
  });

/** Checkpoints that are here; what is no checkpoint, or not all of one, is left out. */
export async function storedModels(): Promise<StoredModel[]> {
  const folder = await folderOf('models');
  const models: StoredModel[] = [];
  for await (const handle of folder.values()) {
    if (handle.kind === 'directory' || /\.(part|crswap)$/.test(handle.name)) continue;
    const file = await (handle as FileSystemFileHandle).getFile();
    const model = await inspect(file).catch(() => undefined);
    if (model) models.push(model);
  }
  return models.sort((a, b) => (a.file < b.file ? -1 : 1));
}

/** Takes a checkpoint in, as float16 where that gives the same masks. @throws CheckpointError, OutputError */
export async function addModel(file: File): Promise<StoredModel> {
  const name = await withCheckpoint(file, async (checkpoint, architecture) => {
    if (canBeHalved(checkpoint, architecture)) return writeHalved(checkpoint, architecture, file.name);
    await writeFile(await folderOf('models'), file.name, file);
    return file.name;
  });
  return inspect(await modelFile(name));
}

/** Puts a checkpoint that was downloaded as float16 in its place, where that gives the same masks. */
export async function halveModel(file: string): Promise<StoredModel> {
  const before = await modelFile(file);
  const name = await withCheckpoint(before, async (checkpoint, architecture) =>
    canBeHalved(checkpoint, architecture) ? writeHalved(checkpoint, architecture, file) : file,
  ).catch((error) => {
    // Where there is no room for it, the file stays as it came.
    if (error instanceof OutputError) return file;
    throw error;
  });
  const model = await inspect(await modelFile(name));
  if (name !== file) await removeModel(file);
  return model;
}

export async function removeModel(file: string): Promise<void> {
  await (await folderOf('models')).removeEntry(file);
}
