/**
 * Checkpoints as float16, which takes half of the room. Networks compute in float32 all the same: what is read is widened.
 *
 * For which weights the masks stay the same was measured: see "Stored as float16" in the README of @samtrack/weights.
 */
import { type Architecture, type Checkpoint, storedAs, streamSafetensors } from '@samtrack/models/checkpoint';
import { folderOf, writeFile } from './storage.js';

/** Which matrices are stored so, by family. What is missing is stored as it comes. */
const HALVED: { readonly [Family in Architecture['family']]?: (key: string) => boolean } = {
  deaot: () => true,
  sam: (key) => key.startsWith('image_encoder.'),
};

/** Whether a checkpoint would be smaller, and its masks are known to be the same. */
export const canBeHalved = (checkpoint: Checkpoint, { family }: Architecture): boolean =>
  checkpoint.keys.some((key) => {
    const { dtype, shape } = checkpoint.info(key);
    return dtype === 'f32' && shape.length > 1 && HALVED[family]?.(key);
  });

/** Name of the file that holds a checkpoint as float16; files of other endings have others. */
const halvedName = (file: string): string => `${file}.f16.safetensors`;

/** Writes a checkpoint as float16 among the models. @throws CheckpointError, OutputError; what was there before is still there then */
export async function writeHalved(checkpoint: Checkpoint, { family }: Architecture, file: string): Promise<string> {
  const { entries, metadata } = await storedAs(checkpoint, 'f16', { halved: HALVED[family] });
  const name = halvedName(file);
  const said = { ...metadata, source: file };
  await writeFile(await folderOf('models'), name, streamSafetensors(entries, { metadata: said }));
  return name;
}
