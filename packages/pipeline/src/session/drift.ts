import { signOf } from './events.js';
import type { MaskStore } from './mask-store.js';
import { producer, resolver, type SessionState } from './state.js';

/** How sure the tracker is of an object in a frame. */
export interface ObjectConfidence {
  /**
   * Of DeAOT 1 less the mean normalised entropy of the object's pixels, of SAM 2.1 the probability that it is there, or that it is not, 0..1.
   */
  readonly certainty: number;
  /** Pixels. */
  readonly area: number;
  /** Change of the area from the frame tracked before, as a share of the larger one, 0..1. */
  readonly areaJump: number;
  /** `certainty` x (1 - `areaJump`); of an object that is gone the `certainty` alone. */
  readonly confidence: number;
  /** Whether the tracker says that the object is not in the frame. */
  readonly gone: boolean;
}

/** A frame in the drift timeline. */
export interface FrameDrift {
  readonly frame: number;
  /** 1 less the least confidence of an object, 0 (sure of all) to 1; 0 for reference frames. */
  readonly drift: number;
  /** The object with the least confidence. */
  readonly object?: number;
  readonly reference: boolean;
  readonly objects: ReadonlyMap<number, ObjectConfidence>;
}

/** Where a correction is worth most. */
export interface Suggestion {
  readonly frame: number;
  readonly object: number;
  readonly drift: number;
  /** Whether the object's outline is unsure, or its area changed at once. */
  readonly reason: 'entropy' | 'area';
}

/** How sure the tracker is in a frame; undefined where it was not. */
export function driftOf(state: SessionState, store: MaskStore, frame: number): FrameDrift | undefined {
  const reference = state.annotations.has(frame);
  const pass = producer(state, frame);
  const stats = pass && store.stats(pass.seq, frame);
  if (!pass || !stats) return reference ? { frame, drift: 0, reference, objects: new Map() } : undefined;
  const before = store.stats(pass.seq, frame - signOf(pass.direction));
  const areas = (of: typeof stats | undefined) => new Map(of?.ids.map((id, i) => [id, of.areas[i]!]));
  const [now, earlier] = [areas(stats), areas(before)];
  const certainty = new Map(stats.ids.map((id, i) => [id, stats.certainty[i]!]));
  const resolve = resolver(state.path, pass.seq);
  const objects = new Map<number, ObjectConfidence>();
  const gone = new Map(stats.gone);
  for (const id of [...new Set([...now.keys(), ...earlier.keys(), ...gone.keys()])].sort((a, b) => a - b)) {
    if (resolve(id) !== id) continue;
    const absent = gone.get(id);
    if (absent !== undefined) {
      objects.set(id, { certainty: absent, area: 0, areaJump: 0, confidence: absent, gone: true });
      continue;
    }
    const [area, last] = [now.get(id) ?? 0, before ? (earlier.get(id) ?? 0) : (now.get(id) ?? 0)];
    // An object that comes in with a prompt has not jumped.
    const areaJump = last === 0 ? 0 : Math.abs(area - last) / Math.max(area, last);
    const sure = certainty.get(id) ?? 0;
    objects.set(id, { certainty: sure, area, areaJump, confidence: sure * (1 - areaJump), gone: false });
  }
  let least: { id: number; confidence: number } | undefined;
  for (const [id, { confidence }] of objects) {
    if (!least || confidence < least.confidence) least = { id, confidence };
  }
  const drift = reference || !least ? 0 : 1 - least.confidence;
  return { frame, drift, object: reference ? undefined : least?.id, reference, objects };
}

/** Frames this close to a reference frame matter less: a correction there repeats what is known. */
const NEAR = 5;

/** The frame whose correction would tell most: the least sure one, away from reference frames. */
export function suggestFrame(timeline: readonly FrameDrift[], references: Iterable<number>): Suggestion | undefined {
  const known = [...references];
  let best: { score: number; at: FrameDrift } | undefined;
  for (const at of timeline) {
    if (at.object === undefined || at.reference) continue;
    const distance = known.reduce((least, frame) => Math.min(least, Math.abs(frame - at.frame)), NEAR);
    const score = (at.drift * distance) / NEAR;
    if (score > (best?.score ?? 0)) best = { score, at };
  }
  if (!best) return undefined;
  const { frame, drift, object, objects } = best.at;
  const { certainty, areaJump } = objects.get(object!)!;
  return { frame, object: object!, drift, reason: areaJump > 1 - certainty ? 'area' : 'entropy' };
}
