import {
  type Architecture,
  CheckpointError,
  describeArchitecture,
  detectArchitecture,
  modelNames,
  openCheckpoint,
} from '@samtrack/models/checkpoint';
import type { ModelRole, StoredModel } from '../protocol.js';
import { folderOf, writeFile } from './storage.js';

const ROLES: Readonly<Record<Architecture['family'], ModelRole>> = {
  deaot: 'tracker',
  sam: 'segmenter',
  sam2: 'segmenter',
  'grounding-dino': 'detector',
};

/** What a checkpoint holds, told by its tensors. @throws CheckpointError for anything that is none of a model we have */
async function inspect(file: File): Promise<StoredModel> {
  const checkpoint = await openCheckpoint(file);
  try {
    const architecture = detectArchitecture(checkpoint);
    const [id] = architecture ? modelNames(architecture) : [];
    if (!architecture || !id) {
      throw new CheckpointError('wrong-architecture', 'the file holds no model that SAMTrack knows', {
        file: file.name,
      });
    }
    const title = describeArchitecture(architecture);
    return { file: file.name, bytes: file.size, role: ROLES[architecture.family], id, title };
  } finally {
    await checkpoint.close();
  }
}

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

export async function addModel(file: File): Promise<StoredModel> {
  const model = await inspect(file);
  await writeFile(await folderOf('models'), file.name, file);
  return model;
}

export async function removeModel(file: string): Promise<void> {
  await (await folderOf('models')).removeEntry(file);
}
