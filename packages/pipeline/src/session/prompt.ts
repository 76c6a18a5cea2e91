import type { Box, EverythingOptions, Point } from '../assist/index.js';
import type { LabelMap, Rle } from '../io/index.js';
import { SessionError } from './errors.js';

/** Which object a prompt is of, and in which frame. */
export interface PromptTarget {
  readonly frame: number;
  /** Id or name of an object; a name that nobody has makes a new object, and so does leaving it out. */
  readonly object?: number | string | undefined;
  /** Class of new objects. */
  readonly label?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the share that is done, 0..1, of what takes long. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/** What is given for an object can join what was given for it before in the frame. */
interface Extendable {
  /** Joins the earlier points and box of the object in this frame. Default false: it replaces its mask. */
  readonly extend?: boolean | undefined;
}

/** Points on an object or beside it, in a box or without one; one mask. */
export interface PointsPrompt extends Extendable {
  /** In pixels. */
  readonly points: readonly Point[];
  /** For each point 1 (on the object) or 0 (beside it); all 1 if left out. */
  readonly labels?: readonly number[] | undefined;
  readonly box?: Box | undefined;
}

/** A box around an object; one mask. */
export interface BoxPrompt extends Extendable {
  /** Left, top, right, bottom in pixels. */
  readonly box: Box;
}

/** One object for each box; with `object`, all of them are parts of it. */
export interface BoxesPrompt {
  readonly boxes: readonly Box[];
}

/** A line drawn over an object; one mask. */
export interface StrokePrompt extends Extendable {
  /** Its points, in pixels. */
  readonly stroke: readonly Point[];
}

/** Masks as they are. */
export interface MaskPrompt {
  /** A label map, whose ids are taken over unless there is `object`, or one mask. */
  readonly mask: LabelMap | Rle;
}

/** The inside of a polygon; one mask. */
export interface PolygonPrompt {
  /** Corners in pixels. Of several polygons, those inside others are holes. */
  readonly polygon: readonly Point[] | readonly (readonly Point[])[];
}

/** How sure the detector must be. */
interface Detected {
  /** Least score of a box, 0..1; 0.25. */
  readonly boxThreshold?: number | undefined;
  /** Least score of a word, 0..1; 0.25. */
  readonly textThreshold?: number | undefined;
  /** Boxes above this share of the frame are left out; 1. */
  readonly maxBoxArea?: number | undefined;
}

/** A description; each object that fits it. */
export interface TextPrompt extends Detected {
  /** Descriptions of several kinds are separated by full stops. */
  readonly text: string;
}

/** Class names; each object of one of them. */
export interface ClassesPrompt extends Detected {
  readonly classes: readonly string[];
}

/** Every object that can be told apart from what is there already. */
export interface EverythingPrompt {
  readonly everything: true | Omit<EverythingOptions, 'signal' | 'onProgress'>;
  /** Objects of fewer visible pixels are left out; 200. */
  readonly minArea?: number | undefined;
}

type KeyOf<T> = T extends unknown ? keyof T : never;

/** The members of a union without each other's fields, so that a field tells which member it is. */
export type Disjoint<T, All = T> = T extends unknown
  ? T & { readonly [K in Exclude<KeyOf<All>, keyof T>]?: undefined }
  : never;

/** What a prompt shows: one kind of thing, told by the field that holds it. */
export type PromptContent = Disjoint<
  | PointsPrompt
  | BoxPrompt
  | BoxesPrompt
  | StrokePrompt
  | MaskPrompt
  | PolygonPrompt
  | TextPrompt
  | ClassesPrompt
  | EverythingPrompt
>;

/** What a session is shown of one or several objects in a frame. */
export type Prompt = PromptTarget & PromptContent;

/** A prompt as a project file tells it, for people: masks are there in full, a stroke's points are points. */
export interface PromptRecord {
  readonly points?: readonly Point[];
  readonly labels?: readonly number[];
  readonly box?: Box;
  readonly boxes?: readonly Box[];
  readonly polygon?: PolygonPrompt['polygon'];
  readonly text?: string;
  readonly classes?: readonly string[];
  readonly everything?: EverythingPrompt['everything'];
  readonly mask?: true;
  /** The object that parts were split off from. */
  readonly split?: number;
  /** The frame's masks were made a reference as they were. */
  readonly reference?: true;
  /** The object is not in the frame. */
  readonly erased?: true;
  /** Found on the way, by whatever looks for new objects. */
  readonly discovered?: true;
}

const DETECTED = ['boxThreshold', 'textThreshold', 'maxBoxArea'] as const;

/** Each kind of prompt, by the field that tells it, and the other fields it may have. */
const KINDS = {
  points: ['labels', 'box', 'extend'],
  box: ['extend'],
  boxes: [],
  stroke: ['extend'],
  mask: [],
  polygon: [],
  text: DETECTED,
  classes: DETECTED,
  everything: ['minArea'],
} as const satisfies Partial<Record<KeyOf<PromptContent>, readonly KeyOf<PromptContent>[]>>;

type Kind = keyof typeof KINDS;
const KIND_NAMES = Object.keys(KINDS) as Kind[];
const TARGET: readonly string[] = ['frame', 'object', 'label', 'signal', 'onProgress'] satisfies (keyof PromptTarget)[];

const fieldsOf = (kind: Kind): readonly string[] => [kind, ...KINDS[kind]];

/** @throws SessionError `bad-prompt` unless a prompt is of one kind and lies within the frame */
export function checkPrompt(prompt: Prompt, { width, height }: { width: number; height: number }): void {
  const bad = (message: string): never => {
    throw new SessionError('bad-prompt', `prompt in frame ${prompt.frame}: ${message}`);
  };
  checkKind(prompt, bad);
  const { points, labels, box, boxes, stroke, polygon, text, classes, everything, mask } = prompt;
  for (const [name, line] of Object.entries({ points, stroke })) {
    if (line === undefined) continue;
    if (!isList(line, isPoint)) bad(`${name} should be a list of [x, y]`);
    if (line.length === 0) bad('there are no points');
    for (const [x, y] of line) {
      if (!(x >= 0 && x < width && y >= 0 && y < height)) bad(`point (${x}, ${y}) is outside of ${width}x${height}`);
    }
  }
  if (labels && labels.length !== points?.length) bad(`${labels.length} labels for ${points?.length ?? 0} points`);
  for (const label of labels ?? []) if (label !== 0 && label !== 1) bad(`label ${label} is neither 0 nor 1`);
  if (boxes && !Array.isArray(boxes)) bad('boxes should be a list of [x0, y0, x1, y1]');
  for (const each of [...(box ? [box] : []), ...(boxes ?? [])]) {
    if (!isTuple(each, 4)) bad('a box should be [x0, y0, x1, y1]');
    const [x0, y0, x1, y1] = each;
    if (!(x0 < x1 && y0 < y1 && x1 > 0 && y1 > 0 && x0 < width && y0 < height)) {
      bad(`box (${x0}, ${y0}, ${x1}, ${y1}) is empty or outside of ${width}x${height}`);
    }
  }
  if (boxes?.length === 0) bad('there are no boxes');
  if (polygon) {
    const all = Array.isArray(polygon) ? ringsOf(polygon) : [];
    if (all.length === 0 || !all.every((ring) => isList(ring, isPoint))) {
      bad('polygon should be a list of [x, y], or several of them');
    }
    for (const ring of all) if (ring.length < 3) bad('a polygon needs three corners');
  }
  if (text !== undefined && typeof text !== 'string') bad('text should be a text');
  if (classes && !isList(classes, (name) => typeof name === 'string')) bad('classes should be a list of names');
  if (text?.trim() === '' || classes?.length === 0) bad('the text is empty');
  if (everything !== undefined && everything !== true && (typeof everything !== 'object' || !everything)) {
    bad('everything should be true, or its options');
  }
  if (mask !== undefined && (typeof mask !== 'object' || !mask || !('counts' in mask || 'data' in mask))) {
    bad('mask should be a label map or run lengths');
  }
}

/** A prompt is of one kind, and has the fields of that kind only. */
function checkKind(prompt: Prompt, bad: (message: string) => never): void {
  const given = Object.entries(prompt).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  const known = new Set([...TARGET, ...KIND_NAMES.flatMap(fieldsOf)]);
  const unknown = given.find((name) => !known.has(name));
  if (unknown !== undefined) bad(`the field "${unknown}" is unknown; there are ${[...known].join(', ')}`);
  const kinds = KIND_NAMES.filter((kind) => given.includes(kind) && !(kind === 'box' && given.includes('points')));
  const [kind] = kinds;
  if (kind === undefined) {
    bad(`one of ${KIND_NAMES.join(', ')} is needed`);
    return;
  }
  if (kinds.length > 1) bad(`${kinds.join(' and ')} exclude each other`);
  const stray = given.find((name) => !TARGET.includes(name) && !fieldsOf(kind).includes(name));
  if (stray === undefined) return;
  const others = KIND_NAMES.filter((name) => fieldsOf(name).includes(stray));
  bad(`${stray} goes with ${others.join(' or ')}, not with ${kind}`);
}

const isTuple = (value: unknown, length: number): boolean =>
  Array.isArray(value) && value.length === length && value.every((part) => typeof part === 'number');

const isPoint = (value: unknown): boolean => isTuple(value, 2);

const isList = (value: unknown, isItem: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isItem);

/** The rings of a polygon that is given as one or as several. */
export const ringsOf = (polygon: PolygonPrompt['polygon']): readonly (readonly Point[])[] =>
  typeof polygon[0]?.[0] === 'number' ? [polygon as readonly Point[]] : (polygon as readonly (readonly Point[])[]);

/** What is given for an object in a frame together with what was given before: points, and a box. */
export function joined(
  { points = [], labels, box }: PromptRecord,
  earlier: PromptRecord | undefined,
): Required<Pick<PromptRecord, 'points' | 'labels'>> & Pick<PromptRecord, 'box'> {
  const before = earlier?.points ?? [];
  return {
    points: [...before, ...points],
    labels: [...before.map((_, i) => earlier?.labels?.[i] ?? 1), ...points.map((_, i) => labels?.[i] ?? 1)],
    box: box ?? earlier?.box,
  };
}

/** A prompt as it is told in the project file. */
export function recordOf(prompt: Prompt, earlier: PromptRecord | undefined): PromptRecord {
  const { boxes, stroke, polygon, text, classes, everything } = prompt;
  const { points, labels, box } = joined({ ...prompt, points: prompt.points ?? stroke, mask: undefined }, earlier);
  const mask = prompt.mask ? true : undefined;
  const marks = points.length > 0 ? { points, labels } : {};
  return JSON.parse(JSON.stringify({ ...marks, box, boxes, polygon, text, classes, everything, mask }));
}
