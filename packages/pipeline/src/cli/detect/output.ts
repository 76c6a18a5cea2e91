/** What `samtrack detect` makes of what it found. */
import { clipBox, type GroundingResult, type Wanted } from '@samtrack/models';
import type { LabelledBox } from './picture.js';

/** What was found in an image. */
export interface ImageDetections {
  file: string;
  width: number;
  height: number;
  /** In descending score. */
  detections: {
    /** The class; where none was asked for or none fits, the words of the caption. */
    label: string;
    score: number;
    /** Left, top, right, bottom in pixels; it may reach beyond the image. */
    box: number[];
    /** Words of the caption that the box goes with. */
    phrase: string;
    /** Number of the class or phrase among those asked for, from 0; null where the phrase names no class. */
    index?: number | null;
  }[];
}

const rounded = (value: number, digits: number) => Number(value.toFixed(digits));

/** The answer for an image, scores to six digits and pixels to two. */
export function describeDetections(
  image: { file: string; width: number; height: number },
  { detections }: GroundingResult,
  wanted: Wanted,
): ImageDetections {
  const classes = 'classes' in wanted ? wanted.classes : undefined;
  const numbered = 'classes' in wanted || wanted.phrases !== undefined;
  return {
    ...image,
    detections: detections.map(({ box, score, phrase, index }) => ({
      label: (index === undefined ? undefined : classes?.[index]) ?? phrase,
      score: rounded(score, 6),
      box: box.map((corner) => rounded(corner, 2)),
      phrase,
      ...(numbered ? { index: index ?? null } : {}),
    })),
  };
}

/** One line for each box, parts apart by tabs. */
export const detectionLines = ({ file, detections }: ImageDetections): string =>
  detections.map(({ label, score, box }) => `${[file, score.toFixed(4), label, ...box].join('\t')}\n`).join('');

/** Boxes with labels such as `a cat 0.53`, one colour for each label. */
export function labelledBoxes({ detections }: ImageDetections): LabelledBox[] {
  const labels = [...new Set(detections.map(({ label }) => label))];
  return detections.map(({ label, score, box }) => ({
    box: box as [number, number, number, number],
    label: `${label} ${score.toFixed(2)}`.trim(),
    colour: labels.indexOf(label),
  }));
}

/** Detections of classes as a COCO dataset, boxes clipped to their images; those of no class are left out. */
export function cocoDataset(images: readonly ImageDetections[], classes: readonly string[]) {
  const annotations = images.flatMap((image, i) =>
    image.detections.flatMap(({ index, score, box }) => {
      if (typeof index !== 'number') return [];
      const [x0, y0, x1, y1] = clipBox(box as [number, number, number, number], image);
      const [width, height] = [rounded(x1 - x0, 2), rounded(y1 - y0, 2)];
      const area = rounded(width * height, 2);
      return [{ image_id: i + 1, category_id: index + 1, bbox: [x0, y0, width, height], area, iscrowd: 0, score }];
    }),
  );
  return {
    images: images.map(({ file, width, height }, i) => ({ id: i + 1, file_name: file, width, height })),
    annotations: annotations.map((annotation, i) => ({ id: i + 1, ...annotation })),
    categories: classes.map((name, i) => ({ id: i + 1, name })),
  };
}
