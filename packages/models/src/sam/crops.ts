import type { Box } from '../masks/box.js';
import type { ImageSize, Point } from './transforms.js';

/** Centres of n x n equal cells in [0, 1]^2, row by row. */
export function pointGrid(pointsPerSide: number): Point[] {
  return Array.from({ length: pointsPerSide ** 2 }, (_, i) => {
    return [
      ((i % pointsPerSide) + 0.5) / pointsPerSide,
      (Math.floor(i / pointsPerSide) + 0.5) / pointsPerSide,
    ] as const;
  });
}

/** A part of an image. */
export interface Crop {
  /** Pixels [x0, x1) x [y0, y1). */
  box: Box;
  /** 0 for the whole image; layer i has 2^i crops a side. */
  layer: number;
}

/**
 * Overlapping crops of an image (segment-anything, `utils/amg.py`, `generate_crop_boxes`), column after column.
 * @param overlapRatio Overlap of the crops of the first layer, in short sides of the image.
 */
export function cropBoxes({ height, width }: ImageSize, layers: number, overlapRatio: number): Crop[] {
  const crops: Crop[] = [{ box: [0, 0, width, height], layer: 0 }];
  for (let layer = 1; layer <= layers; layer++) {
    const perSide = 2 ** layer;
    const overlap = Math.trunc(overlapRatio * Math.min(height, width) * (2 / perSide));
    const side = (length: number) => Math.ceil((overlap * (perSide - 1) + length) / perSide);
    const [cropWidth, cropHeight] = [side(width), side(height)];
    for (let i = 0; i < perSide; i++) {
      for (let j = 0; j < perSide; j++) {
        const x0 = Math.trunc((cropWidth - overlap) * i);
        const y0 = Math.trunc((cropHeight - overlap) * j);
        crops.push({ box: [x0, y0, Math.min(x0 + cropWidth, width), Math.min(y0 + cropHeight, height)], layer });
      }
    }
  }
  return crops;
}

/** Pixels within which a box counts as touching an edge. */
const EDGE = 20;

/** Whether a box, in pixels of the image, touches an edge of the crop that is none of the image: its object goes on beyond. */
export function touchesCropEdge(box: Box, crop: Box, { height, width }: ImageSize): boolean {
  const image: Box = [0, 0, width, height];
  return box.some((side, i) => Math.abs(side - crop[i]!) <= EDGE && Math.abs(side - image[i]!) > EDGE);
}
