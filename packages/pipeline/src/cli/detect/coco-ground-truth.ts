/** `samtrack detect --ground-truth`: a COCO annotation file, and detections scored against it. */
import { readFile } from 'node:fs/promises';
import { type CocoAnnotation, type CocoResult, EvaluationError, evaluateCocoBoxes } from '../../metrics/index.js';
import type { ImageDetections } from './output.js';

/** What of an annotation file is needed. */
export interface CocoGroundTruth {
  /** For messages. */
  readonly file: string;
  readonly images: readonly { readonly id: number; readonly file_name: string }[];
  readonly annotations: readonly CocoAnnotation[];
  readonly categories: readonly { readonly id: number; readonly name: string }[];
}

/** @throws EvaluationError for a file that cannot be read or holds no annotations of boxes. */
export async function readGroundTruth(file: string): Promise<CocoGroundTruth> {
  let value: Partial<CocoGroundTruth> | null;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new EvaluationError('unreadable', file, (cause as Error).message, { cause });
  }
  const { images, annotations, categories } = value ?? {};
  const refuse = (what: string) => new EvaluationError('unreadable', file, `not a COCO annotation file: ${what}`);
  const isNumber = (number: unknown) => typeof number === 'number' && Number.isFinite(number);
  if (!Array.isArray(images) || !images.every(({ id, file_name: name }) => isNumber(id) && typeof name === 'string')) {
    throw refuse('its images have no ids and file names');
  }
  if (!Array.isArray(categories) || !categories.every(({ id, name }) => isNumber(id) && typeof name === 'string')) {
    throw refuse('its categories have no ids and names');
  }
  const isBox = (bbox: unknown) => Array.isArray(bbox) && bbox.length === 4 && bbox.every(isNumber);
  if (
    !Array.isArray(annotations) ||
    !annotations.every(({ image_id, category_id, bbox, area }: Partial<CocoAnnotation>) =>
      [isNumber(image_id), isNumber(category_id), isBox(bbox), isNumber(area)].every(Boolean),
    )
  ) {
    throw refuse('its annotations have no boxes and areas');
  }
  return { file, images, annotations, categories };
}

/** Ids of the images looked at, by their file names. @throws EvaluationError for one that the annotations do not name. */
function imageIds(truth: CocoGroundTruth, images: readonly ImageDetections[]): number[] {
  const ids = new Map(truth.images.map(({ id, file_name: name }) => [name.replace(/^.*[\\/]/, ''), id]));
  return images.map(({ file }) => {
    const id = ids.get(file);
    if (id === undefined) throw new EvaluationError('not-found', file, `not an image of ${truth.file}`);
    return id;
  });
}

/** Detections in the format of COCO's result files, boxes as they are; class i is the file's i-th category. */
export function cocoResults(truth: CocoGroundTruth, images: readonly ImageDetections[]): CocoResult[] {
  const ids = imageIds(truth, images);
  return images.flatMap((image, i) =>
    image.detections.flatMap(({ index, box, score }) => {
      if (typeof index !== 'number') return [];
      const [x0, y0, x1, y1] = box as [number, number, number, number];
      const { id } = truth.categories[index]!;
      return [{ image_id: ids[i]!, category_id: id, bbox: [x0, y0, x1 - x0, y1 - y0] as const, score }];
    }),
  );
}

/** COCO's scores of what was found, in per cent, as lines of text. */
export function cocoReport(truth: CocoGroundTruth, images: readonly ImageDetections[]): string {
  const scores = evaluateCocoBoxes(truth.annotations, cocoResults(truth, images), imageIds(truth, images));
  const line = ([name, value]: [string, number]) => `${name.padEnd(9)} ${value < 0 ? '-' : (100 * value).toFixed(1)}\n`;
  return `${images.length} images, ${truth.categories.length} categories\n${Object.entries(scores).map(line).join('')}`;
}
