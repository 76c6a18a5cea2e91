import { MaskError } from '../io/errors.js';
import { compressRle, labelMapToRles } from '../io/rle.js';
import type { ExportContext, Exporter } from './exporter.js';
import { TextFile } from './text-file.js';

/** Classes of KITTI MOTS. */
const CLASSES: Readonly<Record<string, number>> = { car: 1, pedestrian: 2, person: 2 };
/** KITTI MOTS keeps this one for regions that do not count. */
const IGNORE = 10;
const INSTANCES = 1000;

/**
 * MOTS text, `mots.txt`: `frame object class height width rle`, the object being 1000 times its class plus its id.
 *
 * Class 1 is car, 2 pedestrian (or person) as in KITTI MOTS; other labels get 3, 4, ... without 10 in the order of their appearance. Frames are
 * counted as in the source, from 0. Ids above 999 do not fit and are refused.
 * Source: Voigtlaender et al., "MOTS: Multi-Object Tracking and Segmentation" (CVPR 2019), file format of its tools.
 */
export async function openMots({ folder, objects }: ExportContext): Promise<Exporter> {
  const path = 'mots.txt';
  const file = new TextFile(await folder.createFile(path));
  const classes = new Map<string, number>(Object.entries(CLASSES));
  let next = 3;
  const classOf = (label = 'object') => {
    let number = classes.get(label);
    if (number === undefined) {
      if (next === IGNORE) next++;
      classes.set(label, (number = next++));
    }
    return number;
  };
  return {
    path,
    warnings: [],
    async add({ index }, labels) {
      for (const [id, rle] of labelMapToRles(labels)) {
        if (id >= INSTANCES) {
          throw new MaskError(
            'too-many-objects',
            `${folder.label}/${path}`,
            `object id ${id} does not fit MOTS, whose ids go to ${INSTANCES - 1}`,
          );
        }
        const number = classOf(objects?.get(id)?.label);
        const { size, counts } = compressRle(rle);
        await file.write(`${index} ${number * INSTANCES + id} ${number} ${size[0]} ${size[1]} ${counts}\n`);
      }
    },
    async finish() {
      await file.finish();
      return true;
    },
    discard: () => file.discard(),
  };
}
