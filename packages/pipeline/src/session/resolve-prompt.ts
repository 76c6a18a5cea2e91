import { MIN_OBJECT_AREA } from '../assist/defaults.js';
import type { Box, Detector, Point, Segmenter, SegmentPrompt } from '../assist/index.js';
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
import type { knownMasks } from './known-masks.js';
import { fillPolygon, paintRle, pixelsOf } from './masks.js';
import { joined, type Prompt, type PromptRecord, ringsOf } from './prompt.js';

/** A prompt of one of these kinds. */
type PromptOf<Kind extends string> = Kind extends unknown ? Extract<Prompt, Record<Kind, unknown>> : never;

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
  earlier?: PromptRecord;
  /** Where else the masks of an object are known. */
  known?: (object: number) => ReturnType<typeof knownMasks>;
}

/** Turns a prompt into masks. @throws SessionError, MaskError */
export async function resolvePrompt(
  prompt: Prompt,
  object: number | undefined,
  context: PromptContext,
): Promise<ResolvedMask[]> {
  if (prompt.mask) return resolveMask(prompt, object, context);
  if (prompt.polygon) return [{ object, pixels: filled(ringsOf(prompt.polygon), context.size) }];
  if (prompt.everything) return resolveEverything(prompt, context);
  if (prompt.text !== undefined || prompt.classes) return resolveText(prompt, object, context);
  if (prompt.boxes) {
    const segmenter = await ready(context, prompt.signal);
    const masks: Uint8Array[] = [];
    for (const box of prompt.boxes) masks.push(await best(segmenter, { box: clip(box, context) }, prompt));
    return object === undefined ? masks.map((pixels) => ({ pixels })) : [{ object, pixels: union(masks) }];
  }
  const shown = withEarlier(prompt, context);
  const remembered = object === undefined ? undefined : await fromMemory(object, shown, prompt, context);
  return [{ object, pixels: remembered ?? (await best(await ready(context, prompt.signal), shown, prompt)) }];
}

/** What a segmenter that remembers makes of points and a box, where the object's masks in other frames are known. */
async function fromMemory(
  object: number,
  { stroke, ...shown }: SegmentPrompt,
  { signal, frame }: Prompt,
  { segmenter, known, frame: read }: PromptContext,
): Promise<Uint8Array | undefined> {
  if (!segmenter?.predictKnown || !known || stroke) return undefined;
  const { direction, known: masks } = await known(object);
  if (masks.length === 0) return undefined;
  return decoded(await segmenter.predictKnown(await read(), shown, masks, { direction, signal }), segmenter, frame);
}

/** Points, a box or a stroke, with what was given for the object before; the segmenter takes a stroke by itself only. */
function withEarlier(prompt: PromptOf<'points' | 'box' | 'stroke'>, context: PromptContext): SegmentPrompt {
  if (prompt.stroke && !context.earlier) return { stroke: prompt.stroke };
  const given = prompt.stroke ? { points: evenly(prompt.stroke, 16) } : prompt;
  const { points, labels, box } = joined(given, context.earlier);
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
  return decoded(candidate?.mask, segmenter, frame);
}

/** @throws SessionError `nothing-found` where there are no pixels */
function decoded(mask: Rle | undefined, { name }: Segmenter, frame: number): Uint8Array {
  if (!mask || rleArea(mask) === 0) {
    throw new SessionError('nothing-found', `${name} finds no object there in frame ${frame}`);
  }
  return decodeRle(mask);
}

function resolveMask(
  { mask, ...prompt }: PromptOf<'mask'>,
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
  prompt: PromptOf<'text' | 'classes'>,
  object: number | undefined,
  context: PromptContext,
): Promise<ResolvedMask[]> {
  const { text, classes, boxThreshold, textThreshold, maxBoxArea = 1, signal } = prompt;
  const { detector, size } = context;
  if (!detector) {
    throw new SessionError('no-detector', 'a text prompt needs a detector: give `detector` to SamTrack.load');
  }
  const image = await context.frame();
  const found = await detector.detect(image, { text, classes, boxThreshold, textThreshold, signal });
  const most = maxBoxArea * size.width * size.height;
  const detections = found.filter(({ box: [x0, y0, x1, y1] }) => (x1 - x0) * (y1 - y0) <= most);
  if (detections.length === 0) {
    const what = text ?? classes.join(', ');
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

async function resolveEverything(prompt: PromptOf<'everything'>, context: PromptContext): Promise<ResolvedMask[]> {
  const { everything, minArea = MIN_OBJECT_AREA, signal, onProgress } = prompt;
  const options = everything === true ? {} : everything;
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
