import type { SourceFingerprint } from './fingerprint.js';
import type { PromptRecord } from './prompt.js';

/** Direction of travel through the video. */
export type Direction = 'forward' | 'backward';

/** +1 or -1. */
export const signOf = (direction: Direction): 1 | -1 => (direction === 'forward' ? 1 : -1);

/** What is known of an object. */
export interface SessionObject {
  /** 1..65535; never given to another object. */
  readonly id: number;
  readonly name: string;
  /** Class. */
  readonly label?: string;
  /** Red, green, blue, 0..255; the palette's where left out. */
  readonly colour?: readonly [number, number, number];
  /** A locked object keeps its masks: it is not prompted, merged, split, removed, painted over or tracked anew. */
  readonly locked: boolean;
}

/** A mask of the source's size: COCO's compressed run lengths. */
export interface EventMask {
  readonly object: number;
  readonly counts: string;
}

/** Masks of objects in one frame, as a prompt gave them. The frame becomes a reference frame. */
export interface AnnotateEvent {
  readonly type: 'annotate';
  readonly frame: number;
  readonly masks: readonly EventMask[];
  /** Objects that this event brings into being. */
  readonly created?: readonly Omit<SessionObject, 'locked'>[];
  /** What was asked, for people; the masks are what counts. */
  readonly prompt?: PromptRecord;
}

/** Other properties of an object. */
interface UpdateEvent {
  readonly type: 'update';
  readonly object: number;
  readonly set: Partial<Omit<SessionObject, 'id'>>;
}

/** The object is gone from all frames. */
interface RemoveEvent {
  readonly type: 'remove';
  readonly object: number;
}

/** Objects become parts of another one in all frames. */
interface MergeEvent {
  readonly type: 'merge';
  readonly objects: readonly number[];
  readonly into: number;
}

/** Takes annotations of a frame back. */
interface ClearEvent {
  readonly type: 'clear';
  readonly frame: number;
  readonly objects: readonly number[];
}

/** A range in the direction of travel: the frame to begin at, and the one to stop before; null: to the end of the source. */
export type TravelRange = readonly [start: number, end: number | null];

/** Objects are tracked through frames. What that gives follows from the events before and the video. */
export interface PropagateEvent {
  readonly type: 'propagate';
  readonly direction: Direction;
  readonly ranges: readonly TravelRange[];
  /** Objects that get new masks; the others keep theirs where they have any. All that are not locked, if left out. */
  readonly objects?: readonly number[];
  /** Goes on with the tracker as an earlier propagation left it, after so many frames. */
  readonly continues?: { readonly event: number; readonly frames: number };
  /** Memory for remembered frames, in MB: which of them are kept depends on it. */
  readonly memoryMB?: number;
}

export type SessionEvent = AnnotateEvent | UpdateEvent | RemoveEvent | MergeEvent | ClearEvent | PropagateEvent;

const EVENT_TYPES = ['annotate', 'update', 'remove', 'merge', 'clear', 'propagate'];

/** First line of a project file. */
export interface ProjectHeader {
  readonly format: 'samtrack-session';
  readonly version: 1;
  readonly source: SourceFingerprint;
  /** Whatever masks depend on beside the events and the video: model, weights, options. */
  readonly tracker: Readonly<Record<string, string | number | boolean | null>>;
}

/** Another line of a project file: an event, a step back or forth in the history, or how far a propagation came. */
export type ProjectLine =
  | { readonly seq: number; readonly event: SessionEvent }
  | { readonly undo: true }
  | { readonly redo: true }
  | { readonly stopped: number; readonly frames: number };

/** Whether a value is a line of a project file, as far as its form goes. */
export function isProjectLine(value: unknown): value is ProjectLine {
  if (typeof value !== 'object' || value === null) return false;
  const line = value as Record<string, unknown>;
  if (line['undo'] === true || line['redo'] === true) return true;
  if (Number.isInteger(line['stopped'])) return Number.isInteger(line['frames']);
  const event = line['event'] as SessionEvent | undefined;
  return (
    Number.isInteger(line['seq']) && typeof event === 'object' && event !== null && EVENT_TYPES.includes(event.type)
  );
}
