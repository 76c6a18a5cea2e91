import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import { PointLabel } from '../sam/point-embedder.js';
import { clampedPrompt, contradictoryPoint } from '../sam/prompt.js';
import type { Point } from '../sam/transforms.js';
import type { ObjectPrompt, Size } from '../tracking/index.js';
import { Sam2Error } from './error.js';
import { type FramePoints, NO_POINTS, type ObjectOutput } from './model.js';

/**
 * Points and box of a prompt in pixels of the network's image, the box as two points in front.
 * @param size Of the video.
 * @throws Sam2Error `prompt`
 */
export function promptPoints(
  { points = [], labels = points.map(() => 1), box }: ObjectPrompt,
  { height, width }: Size,
  imageSize: number,
): FramePoints {
  if (points.length !== labels.length) {
    throw new Sam2Error('prompt', `There are ${points.length} points and ${labels.length} labels.`);
  }
  const contradiction = contradictoryPoint(points, labels);
  if (contradiction) {
    throw new Sam2Error('prompt', `The point ${contradiction.join(',')} is both on the object and beside it.`);
  }
  if (points.length === 0 && !box) throw new Sam2Error('prompt', 'A prompt needs a point or a box.');
  const scaled = ([x, y]: Point): Point => [(x * imageSize) / width, (y * imageSize) / height];
  const corners: Point[] = box
    ? [
        [box[0], box[1]],
        [box[2], box[3]],
      ]
    : [];
  return {
    points: [...corners, ...points].map(scaled),
    labels: [...(box ? [PointLabel.topLeft, PointLabel.bottomRight] : []), ...labels],
  };
}

/** As the network takes points: they end in one that does not count. */
export const terminated = ({ points, labels }: FramePoints): FramePoints =>
  points.length > 0 ? { points: [...points, [0, 0]], labels: [...labels, PointLabel.padding] } : NO_POINTS;

/** Whether the mask is the best of three: where one point or none leaves open what is meant. */
export const isAmbiguous = ({ points }: FramePoints): boolean => points.length <= 1;

/** An earlier mask of a frame as a prompt, float32 [lowRes, lowRes]; the caller's to dispose. */
export const maskPrompt = ({ lowRes }: Pick<ObjectOutput, 'lowRes'>, side: number): Tensor =>
  tensor(clampedPrompt(lowRes), [side, side]);
