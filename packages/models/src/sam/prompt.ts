import type { Box } from '../masks/box.js';
import { SamError } from './error.js';
import { PointLabel } from './point-embedder.js';
import type { MaskedPrompt } from './prompt-model.js';
import { type ImageSize, type Point, scaleBox, scalePoint } from './transforms.js';

/** What the network is shown of one object, in pixels of the image. Nothing at all asks for the most salient object. */
export interface SamPrompt {
  points?: readonly Point[] | undefined;
  /** One for each point: 1 on the object, 0 beside it, -1 no point. */
  labels?: readonly number[] | undefined;
  /** Around the object. May reach beyond the image. */
  box?: Box | undefined;
  /** An earlier mask of the object: logits of the network's resolution, such as `SamMask.lowRes`. */
  mask?: Float32Array | undefined;
}

/** What is needed to read a prompt. */
export interface PromptFrame {
  /** The image that coordinates refer to. */
  imageSize: ImageSize;
  /** The same image in the frame. */
  inputSize: ImageSize;
  /** Side of mask prompts. */
  lowRes: number;
  /** Whether labels 2 and 3 are corners. */
  cornerLabels: boolean;
}

const LABELS: readonly number[] = Object.values(PointLabel);

/**
 * Checks a prompt and brings it into the frame.
 * @param name What messages call it.
 * @throws SamError `prompt` naming what is wrong.
 */
export function framePrompt(prompt: SamPrompt, frame: PromptFrame, name = 'The prompt'): MaskedPrompt {
  const { points, labels, box, mask } = prompt;
  const { imageSize, inputSize, lowRes, cornerLabels } = frame;
  const { width, height } = imageSize;
  const refuse = (reason: string): never => {
    throw new SamError('prompt', `${name} ${reason}.`);
  };
  if (labels && !points) refuse('has labels but no points');
  if (points && !labels) refuse('has points but no labels: each point is on the object (1) or beside it (0)');
  if (points && labels) {
    if (points.length === 0) refuse('has an empty list of points');
    if (labels.length !== points.length) refuse(`has ${points.length} points and ${labels.length} labels`);
    for (const [i, [x, y]] of points.entries()) {
      const label = labels[i]!;
      if (!LABELS.includes(label) || (label > 1 && !cornerLabels))
        refuse(`gives point ${i} the unknown label ${label}`);
      if (label === PointLabel.padding) continue;
      // Corners of a box may lie outside, as boxes may.
      const inside = x >= 0 && y >= 0 && x <= width && y <= height;
      if (!(label > 1 ? Number.isFinite(x + y) : inside)) {
        refuse(`has point ${i} at ${x},${y}, outside the image of ${width}x${height} pixels`);
      }
    }
  }
  const contradiction = points && labels && contradictoryPoint(points, labels);
  if (contradiction) refuse(`has the point ${contradiction.join(',')} both on the object and beside it`);
  if (box) {
    const [x0, y0, x1, y1] = box;
    if (box.length !== 4 || !box.every(Number.isFinite))
      refuse(`has the box ${box.join(',')}, which is not four numbers`);
    if (x1 < x0 || y1 < y0) refuse(`has the box ${box.join(',')}, whose second corner is left of or above its first`);
    if (x1 < 0 || y1 < 0 || x0 > width || y0 > height) {
      refuse(`has the box ${box.join(',')}, which lies outside the image of ${width}x${height} pixels`);
    }
  }
  if (mask) {
    if (mask.length !== lowRes * lowRes) {
      refuse(`has a mask of ${mask.length} values, the network takes ${lowRes}x${lowRes} logits`);
    }
    const wrong = mask.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) refuse(`has a mask with ${mask[wrong]} at index ${wrong}`);
  }
  return {
    points: points?.map((point) => scalePoint(point, imageSize, inputSize)),
    labels,
    box: box && scaleBox(box, imageSize, inputSize),
    mask,
  };
}

/** A point that is said to be on the object and beside it. */
export const contradictoryPoint = (points: readonly Point[], labels: readonly number[]): Point | undefined =>
  points.find(([x, y], i) => labels[i] === 1 && points.some(([u, v], k) => labels[k] === 0 && u === x && v === y));

/** Largest logit of a mask that is a prompt again (sam2, `sam2_image_predictor.py`, `_predict`). */
const MAX_PROMPT_LOGIT = 32;

/** Logits of a mask, of any size, as those of a prompt. */
export const clampedPrompt = (logits: Float32Array): Float32Array =>
  logits.map((logit) => Math.max(-MAX_PROMPT_LOGIT, Math.min(MAX_PROMPT_LOGIT, logit)));
