import type { Checkpoint } from '../types.js';
import { isTransformersGroundingDino, mapTransformersGroundingDino } from './grounding-dino.js';
import { RenamedCheckpoint } from './renamed-checkpoint.js';
import { isTransformersSam, mapTransformersSam } from './sam.js';
import { isTransformersSam2, mapTransformersSam2 } from './sam2.js';

/**
 * The checkpoint under the keys of the official implementation. A file with the names of Hugging Face transformers (`SamModel`,
 * `Sam2Model`, `Sam2VideoModel`, `GroundingDinoForObjectDetection`) is seen through a key map, with query, key and value joined where the official model keeps them in one
 * tensor; any other is returned as it is. Closing either closes the file.
 */
export function withOfficialKeys(checkpoint: Checkpoint): Checkpoint {
  const has = (key: string) => checkpoint.has(key);
  if (isTransformersSam(has)) return new RenamedCheckpoint(checkpoint, mapTransformersSam(checkpoint.keys));
  if (isTransformersSam2(has)) return new RenamedCheckpoint(checkpoint, mapTransformersSam2(checkpoint.keys));
  if (isTransformersGroundingDino(has)) {
    return new RenamedCheckpoint(checkpoint, mapTransformersGroundingDino(checkpoint.keys));
  }
  return checkpoint;
}
