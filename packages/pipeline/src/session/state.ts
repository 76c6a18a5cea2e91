import type { Direction, EventMask, SessionObject, TravelRange } from './events.js';
import { signOf } from './events.js';
import type { HistoryNode } from './history.js';

/** The masks of one object in a reference frame, in the order they were given. */
export interface Annotation {
  /** The event that gave the newest one. */
  readonly seq: number;
  readonly masks: readonly EventMask[];
}

/** A propagation, as far as it came. */
export interface Pass {
  readonly seq: number;
  readonly direction: Direction;
  readonly ranges: readonly TravelRange[];
  /** Objects it gave new masks to; all if left out. */
  readonly objects?: readonly number[];
  /** Frames it came to. */
  readonly done: number;
}

/** What the events up to one of them say. Never changed once it is there. */
export interface SessionState {
  readonly path: readonly HistoryNode[];
  readonly objects: ReadonlyMap<number, SessionObject>;
  /** Largest id ever given. */
  readonly lastId: number;
  /** By frame, then by object, in the order in which they are painted. */
  readonly annotations: ReadonlyMap<number, ReadonlyMap<number, Annotation>>;
  /** Annotations taken back: `<event> <object>`. */
  readonly cleared: ReadonlySet<string>;
  readonly passes: readonly Pass[];
}

/** Position of a frame among those a pass visits; undefined if it does not visit it. */
function positionOf({ direction, ranges }: Pick<Pass, 'direction' | 'ranges'>, frame: number): number | undefined {
  const sign = signOf(direction);
  let before = 0;
  for (const [start, end] of ranges) {
    const ahead = sign * (frame - start);
    const length = end === null ? Number.POSITIVE_INFINITY : sign * (end - start);
    if (ahead >= 0 && ahead < length) return before + ahead;
    before += length;
  }
  return undefined;
}

/** The frame at a position of a pass, and the range it is in. */
export function frameAt(
  { direction, ranges }: Pick<Pass, 'direction' | 'ranges'>,
  position: number,
): { frame: number; range: number; first: boolean } | undefined {
  const sign = signOf(direction);
  let rest = position;
  for (const [range, [start, end]] of ranges.entries()) {
    const length = end === null ? Number.POSITIVE_INFINITY : sign * (end - start);
    if (rest < length) return { frame: start + sign * rest, range, first: rest === 0 };
    rest -= length;
  }
  return undefined;
}

/** Whether a pass came to a frame. */
function covers(pass: Pass, frame: number): boolean {
  const position = positionOf(pass, frame);
  return position !== undefined && position < pass.done;
}

/** The newest pass that came to a frame, and gave new masks to one of the objects, if there are any. */
export function producer(state: SessionState, frame: number, objects?: readonly number[]): Pass | undefined {
  return state.passes.findLast(
    (pass) => covers(pass, frame) && (!objects || !pass.objects || pass.objects.some((id) => objects.includes(id))),
  );
}

/**
 * What a series of events comes to.
 * @param path Events from the first on.
 * @param done Frames that a propagation came to.
 */
export function reduce(path: readonly HistoryNode[], done: (seq: number) => number): SessionState {
  const objects = new Map<number, SessionObject>();
  const annotations = new Map<number, Map<number, Annotation>>();
  const cleared = new Set<string>();
  const passes: Pass[] = [];
  let lastId = 0;
  for (const { seq, event } of path) {
    switch (event.type) {
      case 'annotate': {
        for (const created of event.created ?? []) {
          objects.set(created.id, { ...created, locked: false });
          lastId = Math.max(lastId, created.id);
        }
        const inFrame = annotations.get(event.frame) ?? new Map<number, Annotation>();
        annotations.set(event.frame, inFrame);
        for (const mask of event.masks) {
          // Painted last, since it is the newest.
          inFrame.delete(mask.object);
          inFrame.set(mask.object, { seq, masks: [mask] });
        }
        break;
      }
      case 'update': {
        const object = objects.get(event.object);
        if (object) objects.set(event.object, { ...object, ...event.set });
        break;
      }
      case 'remove':
        objects.delete(event.object);
        for (const inFrame of annotations.values()) inFrame.delete(event.object);
        break;
      case 'merge':
        for (const id of event.objects) objects.delete(id);
        for (const inFrame of annotations.values()) mergeAnnotations(inFrame, event.objects, event.into);
        break;
      case 'clear':
        for (const object of event.objects) {
          const annotation = annotations.get(event.frame)?.get(object);
          if (annotation) cleared.add(`${annotation.seq} ${object}`);
          annotations.get(event.frame)?.delete(object);
        }
        break;
      case 'propagate':
        passes.push({ ...event, seq, done: done(seq) });
        break;
    }
  }
  for (const [frame, inFrame] of annotations) if (inFrame.size === 0) annotations.delete(frame);
  return { path, objects, lastId, annotations, cleared, passes };
}

function mergeAnnotations(inFrame: Map<number, Annotation>, objects: readonly number[], into: number): void {
  const parts = [into, ...objects].flatMap((id) => inFrame.get(id) ?? []);
  if (parts.length === 0) return;
  for (const id of [into, ...objects]) inFrame.delete(id);
  inFrame.set(into, { seq: Math.max(...parts.map(({ seq }) => seq)), masks: parts.flatMap(({ masks }) => masks) });
}

/** What an object of an earlier time has become: another one that it was merged into, or nothing. */
export function resolver(path: readonly HistoryNode[], since: number): (id: number) => number {
  const now = new Map<number, number>();
  for (const { seq, event } of path) {
    if (seq <= since) continue;
    if (event.type !== 'remove' && event.type !== 'merge') continue;
    const [gone, into] = event.type === 'remove' ? [[event.object], 0] : [event.objects, event.into];
    for (const [id, target] of now) if (gone.includes(target)) now.set(id, into);
    for (const id of gone) if (!now.has(id)) now.set(id, into);
  }
  return (id) => now.get(id) ?? id;
}
