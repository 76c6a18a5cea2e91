/**
 * Checkpoints as float16, which takes half of the room. Networks compute in float32 all the same: what is read is widened.
 *
 * That the masks stay the same was measured, see "Stored as float16" in the README of @samtrack/weights.
 */
import { type Architecture, type Checkpoint, storedAs, streamSafetensors } from '@samtrack/models/checkpoint';
import { folderOf, writeFile } from './storage.js';

/** Families for which it was measured to be right. */
const MEASURED: readonly Architecture['family'][] = ['deaot'];

/** Whether a checkpoint would be smaller, and its masks are known to be the same. */
export const canBeHalved = (checkpoint: Checkpoint, { family }: Architecture): boolean =>
  MEASURED.includes(family) && checkpoint.keys.some((key) => ['f32', 'f64'].includes(checkpoint.info(key).dtype));

/** Name of the file that holds a checkpoint as float16. */
export const halvedName = (file: string): string => `${file.replace(/\.(pth|pt|safetensors)$/i, '')}.f16.safetensors`;

/** Writes a checkpoint as float16 among the models. @throws CheckpointError, OutputError; nothing is left of it then */
export async function writeHalved(checkpoint: Checkpoint, file: string): Promise<string> {
  const { entries, metadata } = await storedAs(checkpoint, 'f16');
  const name = halvedName(file);
  const said = { ...metadata, source: file };
  await writeFile(await folderOf('models'), name, streamSafetensors(entries, { metadata: said }));
  return name;
}
