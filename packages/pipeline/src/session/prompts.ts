import { MIN_OBJECT_AREA } from '../assist/defaults.js';
import type { Box, Detector, EverythingOptions, Point, Segmenter, SegmentPrompt } from '../assist/index.js';
import {
  decodeRle,
  emptyLabelMap,
  type Frame,
  fitMask,
  type LabelMap,
  labelIds,
  type Rle,
  rleArea,
} from '../io/index.js';
import { SessionError } from './errors.js';
import { fillPolygon, paintRle, pixelsOf } from './masks.js';

/** What a session is shown of one or several objects in a frame: one kind of prompt, or points and a box together. */
export interface Prompt {
  frame: number;
  /** Id or name of an object; a name that nobody has makes a new object, and so does leaving it out. */
  object?: number | string;
  /** Class of new objects. */
  label?: string;
  /** Points in pixels; one mask. */
  points?: readonly Point[];
  /** For each point 1 (on the object) or 0 (beside it); all 1 if left out. */
  labels?: readonly number[];
  /** Left, top, right, bottom in pixels; one mask. */
  box?: Box;
  /** One object for each box; with `object`, all of them are parts of it. */
  boxes?: readonly Box[];
  /** A line drawn over the object, as its points. */
  stroke?: readonly Point[];
  /** A label map, whose ids are taken over unless there is `object`, or one mask. */
  mask?: LabelMap | Rle;
  /** Corners in pixels. Of several polygons, those inside others are holes. */
  polygon?: readonly Point[] | readonly (readonly Point[])[];
  /** A description; each object that fits it. Descriptions of several kinds are separated by full stops. */
  text?: string;
  /** Class names; each object of one of them. */
  classes?: readonly string[];
  /** Every object that can be told apart from what is there already. */
  everything?: true | Omit<EverythingOptions, 'signal' | 'onProgress'>;
  /** Points join the earlier points and box of the object in this frame. Default false: they replace its mask. */
  extend?: boolean;
  /** Text: least scores of boxes and words; 0.25 both. */
  boxThreshold?: number;
  textThreshold?: number;
  /** Text: boxes above this share of the frame are left out; 1. */
  maxBoxArea?: number;
  /** Everything: objects of fewer visible pixels are left out; 200. */
  minArea?: number;
  signal?: AbortSignal;
  onProgress?: (fraction: number) => void;
}

/** A mask for an object: one that exists, one to be made with this id, or a new one. */
export interface ResolvedMask {
  object?: number;
  pixels: Uint8Array;
  /** Name and class of a new object. */
  name?: string;
  label?: string;
}

/** What prompts are resolved with. */
export interface PromptContext {
  /** The frame's pixels. */
  frame(): Promise<Frame>;
  segmenter?: Segmenter;
  detector?: Detector;
  size: { width: number; height: number };
  /** Masks of the frame so far. */
  labels: LabelMap;
  /** Points and box that were given for the object in the frame before. */
  earlier?: Pick<Prompt, 'points' | 'labels' | 'box'>;
}

/** What a prompt shows, of which there is one kind in a prompt. */
type Shown =
  | {
      readonly kind: 'points';
      readonly points: readonly Point[];
      readonly labels?: readonly number[];
      readonly box?: Box;
    }
  | { readonly kind: 'boxes'; readonly boxes: readonly Box[] }
  | { readonly kind: 'stroke'; readonly stroke: readonly Point[] }
  | { readonly kind: 'mask'; readonly mask: LabelMap | Rle }
  | { readonly kind: 'polygon'; readonly rings: readonly (readonly Point[])[] }
  | { readonly kind: 'text'; readonly text?: string; readonly classes?: readonly string[] }
  | { readonly kind: 'everything'; readonly options: Omit<EverythingOptions, 'signal' | 'onProgress'> };

/** What a checked prompt shows. */
function shownBy({ points, labels, box, boxes, stroke, mask, polygon, text, classes, everything }: Prompt): Shown {
  if (mask) return { kind: 'mask', mask };
  if (polygon) return { kind: 'polygon', rings: rings(polygon) };
  if (everything) return { kind: 'everything', options: everything === true ? {} : everything };
  if (text !== undefined || classes) return { kind: 'text', text, classes };
  if (boxes) return { kind: 'boxes', boxes };
  if (stroke) return { kind: 'stroke', stroke };
  return { kind: 'points', points: points ?? [], labels, box };
}

const KINDS = ['boxes', 'stroke', 'mask', 'polygon', 'text', 'classes', 'everything'] as const;

/** @throws SessionError `bad-prompt` unless a prompt is of one kind and lies within the frame */
export function checkPrompt(prompt: Prompt, { width, height }: { width: number; height: number }): void {
  const bad = (message: string): never => {
    throw new SessionError('bad-prompt', `prompt in frame ${prompt.frame}: ${message}`);
  };
  const kinds: string[] = KINDS.filter((kind) => prompt[kind] !== undefined);
  if (prompt.points || prompt.box) kinds.unshift(prompt.points ? 'points' : 'box');
  if (kinds.length === 0) bad(`one of points, box, ${KINDS.join(', ')} is needed`);
  if (kinds.length > 1) bad(`${kinds.join(' and ')} exclude each other`);
  const points = [...(prompt.points ?? []), ...(prompt.stroke ?? [])];
  if ((prompt.points ?? prompt.stroke)?.length === 0) bad('there are no points');
  for (const [x, y] of points) {
    if (!(x >= 0 && x < width && y >= 0 && y < height)) bad(`point (${x}, ${y}) is outside of ${width}x${height}`);
  }
  if (prompt.labels && prompt.labels.length !== prompt.points?.length) {
    bad(`${prompt.labels.length} labels for ${prompt.points?.length ?? 0} points`);
  }
  for (const label of prompt.labels ?? []) if (label !== 0 && label !== 1) bad(`label ${label} is neither 0 nor 1`);
  for (const [x0, y0, x1, y1] of [...(prompt.box ? [prompt.box] : []), ...(prompt.boxes ?? [])]) {
    if (!(x0 < x1 && y0 < y1 && x1 > 0 && y1 > 0 && x0 < width && y0 < height)) {
      bad(`box (${x0}, ${y0}, ${x1}, ${y1}) is empty or outside of ${width}x${height}`);
    }
  }
  if (prompt.boxes?.length === 0) bad('there are no boxes');
  for (const ring of rings(prompt.polygon)) if (ring.length < 3) bad('a polygon needs three corners');
  if (prompt.text?.trim() === '' || prompt.classes?.length === 0) bad('the text is empty');
}

/** Turns a prompt into masks. @throws SessionError, MaskError */
export async function resolvePrompt(
  prompt: Prompt,
  object: number | undefined,
  context: PromptContext,
): Promise<ResolvedMask[]> {
  const shown = shownBy(prompt);
  switch (shown.kind) {
    case 'mask':
      return resolveMask(shown.mask, prompt, object, context);
    case 'polygon':
      return [{ object, pixels: filled(shown.rings, context.size) }];
    case 'everything':
      return resolveEverything(shown.options, prompt, context);
    case 'text':
      return resolveText(shown, prompt, object, context);
    case 'boxes': {
      const segmenter = await ready(context, prompt.signal);
      const masks: Uint8Array[] = [];
      for (const box of shown.boxes) masks.push(await best(segmenter, { box: clip(box, context) }, prompt));
      return object === undefined ? masks.map((pixels) => ({ pixels })) : [{ object, pixels: union(masks) }];
    }
    case 'stroke':
    case 'points': {
      const segmenter = await ready(context, prompt.signal);
      return [{ object, pixels: await best(segmenter, withEarlier(shown, context), prompt) }];
    }
  }
}

/** Points, a box or a stroke, with what was given for the object before; the segmenter takes a stroke by itself only. */
function withEarlier(shown: Extract<Shown, { kind: 'points' | 'stroke' }>, context: PromptContext): SegmentPrompt {
  const { earlier } = context;
  if (shown.kind === 'stroke' && !earlier) return { stroke: shown.stroke };
  const given =
    shown.kind === 'stroke' ? { points: evenly(shown.stroke, 16), labels: undefined, box: undefined } : shown;
  const box = given.box ?? earlier?.box;
  const points = [...(earlier?.points ?? []), ...given.points];
  const labels = [
    ...(earlier?.points?.map((_, i) => earlier.labels?.[i] ?? 1) ?? []),
    ...given.points.map((_, i) => given.labels?.[i] ?? 1),
  ];
  return { ...(points.length > 0 ? { points, labels } : {}), ...(box ? { box: clip(box, context) } : {}) };
}

/** The inside of a polygon, holes left out. */
function filled(polygon: readonly (readonly Point[])[], { width, height }: PromptContext['size']): Uint8Array {
  const pixels = new Uint8Array(width * height);
  for (const ring of polygon) {
    const inside = fillPolygon(ring, width, height);
    for (let i = 0; i < pixels.length; i++) pixels[i]! ^= inside[i]!;
  }
  return pixels;
}

async function ready({ segmenter, frame }: PromptContext, signal?: AbortSignal): Promise<Segmenter> {
  if (!segmenter) {
    throw new SessionError('no-segmenter', 'this prompt needs a segmenter: give `segmenter` to SamTrack.load');
  }
  await segmenter.setImage(await frame(), { signal });
  return segmenter;
}

async function best(segmenter: Segmenter, shown: SegmentPrompt, { signal, frame }: Prompt): Promise<Uint8Array> {
  const [candidate] = await segmenter.predict(shown, { signal });
  if (!candidate || rleArea(candidate.mask) === 0) {
    throw new SessionError('nothing-found', `${segmenter.name} finds no object there in frame ${frame}`);
  }
  return decodeRle(candidate.mask);
}

function resolveMask(
  mask: LabelMap | Rle,
  prompt: Prompt,
  object: number | undefined,
  { size }: PromptContext,
): ResolvedMask[] {
  const name = `mask of frame ${prompt.frame}`;
  let labels: LabelMap;
  if ('counts' in mask) {
    const [height, width] = mask.size;
    labels = emptyLabelMap(width, height);
    paintRle(labels, mask, 1);
  } else {
    labels = mask;
  }
  fitMask(labels, name, size);
  // A name is that of one object.
  if (object !== undefined || typeof prompt.object === 'string' || 'counts' in mask)
    return [{ object, pixels: binary(labels) }];
  return labelIds(labels).map((id) => ({ object: id, pixels: pixelsOf(labels, id) }));
}

async function resolveText(
  { text, classes }: Extract<Shown, { kind: 'text' }>,
  prompt: Prompt,
  object: number | undefined,
  context: PromptContext,
): Promise<ResolvedMask[]> {
  const { boxThreshold, textThreshold, maxBoxArea = 1, signal } = prompt;
  const { detector, size } = context;
  if (!detector) {
    throw new SessionError('no-detector', 'a text prompt needs a detector: give `detector` to SamTrack.load');
  }
  const image = await context.frame();
  const found = await detector.detect(image, { text, classes, boxThreshold, textThreshold, signal });
  const most = maxBoxArea * size.width * size.height;
  const detections = found.filter(({ box: [x0, y0, x1, y1] }) => (x1 - x0) * (y1 - y0) <= most);
  if (detections.length === 0) {
    const what = text ?? classes!.join(', ');
    throw new SessionError('nothing-found', `"${what}" is not found in frame ${prompt.frame}`);
  }
  const segmenter = await ready(context, signal);
  const masks: ResolvedMask[] = [];
  for (const { box, label } of object === undefined ? detections : detections.slice(0, 1)) {
    masks.push({ object, pixels: await best(segmenter, { box: clip(box, context) }, prompt), name: label, label });
  }
  // Painted from the least sure to the surest.
  return masks.reverse();
}

async function resolveEverything(
  options: Omit<EverythingOptions, 'signal' | 'onProgress'>,
  prompt: Prompt,
  context: PromptContext,
): Promise<ResolvedMask[]> {
  const { minArea = MIN_OBJECT_AREA, signal, onProgress } = prompt;
  const segmenter = await ready(context, signal);
  const records = await segmenter.everything(await context.frame(), { ...options, signal, onProgress });
  // Small objects lie upon large ones, and none on what is there already.
  const painted = emptyLabelMap(context.size.width, context.size.height);
  const bySize = [...records].sort((a, b) => b.area - a.area);
  for (const [i, { mask }] of bySize.entries()) if (i < 65535) paintRle(painted, mask, i + 1);
  const { data } = painted;
  for (let i = 0; i < data.length; i++) if (context.labels.data[i]) data[i] = 0;
  const masks: ResolvedMask[] = [];
  for (const id of labelIds(painted)) {
    const pixels = pixelsOf(painted, id);
    if (pixels.reduce((sum, pixel) => sum + pixel, 0) >= minArea) masks.push({ pixels });
  }
  if (masks.length === 0) {
    throw new SessionError('nothing-found', `${segmenter.name} finds nothing new in frame ${prompt.frame}`);
  }
  return masks;
}

/** Up to `count` points of a line, the ends among them. */
function evenly(points: readonly Point[], count: number): Point[] {
  if (points.length <= count) return [...points];
  return Array.from({ length: count }, (_, i) => points[Math.round((i * (points.length - 1)) / (count - 1))]!);
}

function clip([x0, y0, x1, y1]: Box, { size: { width, height } }: PromptContext): Box {
  return [Math.max(0, x0), Math.max(0, y0), Math.min(width, x1), Math.min(height, y1)];
}

function union(masks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(masks[0]!.length);
  for (const mask of masks) for (let i = 0; i < all.length; i++) if (mask[i]) all[i] = 1;
  return all;
}

const binary = ({ data }: LabelMap) => Uint8Array.from(data, (id) => (id ? 1 : 0));

/** The rings of a polygon that is given as one or as several. */
function rings(polygon: Prompt['polygon']): readonly (readonly Point[])[] {
  if (!polygon) return [];
  return typeof polygon[0]?.[0] === 'number'
    ? [polygon as readonly Point[]]
    : (polygon as readonly (readonly Point[])[]);
}
