import type { Session, SessionResult } from 'samtrack';
import { type Direction, type FrameSpan, LANE, type LaneColumn, type LaneData } from '../protocol.js';

const byte = (share: number) => Math.round(255 * Math.min(1, Math.max(0, share)));

/** What is known of each object in each frame. */
export function lanesOf(session: Session, frameCount: number): LaneData[] {
  const { objects } = session;
  const lanes = new Map(
    objects.map(({ id }) => [
      id,
      { object: id, states: new Uint8Array(frameCount), confidence: new Uint8Array(frameCount).fill(255) },
    ]),
  );
  for (const { frame, objects: found, reference } of session.timeline()) {
    // A frame that is a reference and nothing else was not looked at.
    if (found.size === 0 && reference) continue;
    for (const [id, { states, confidence }] of lanes) {
      const known = found.get(id);
      states[frame] = known && known.area > 0 ? LANE.tracked : LANE.absent;
      if (known) confidence[frame] = byte(known.confidence);
    }
  }
  for (const { frame, object } of session.annotations) {
    const lane = lanes.get(object);
    if (!lane) continue;
    lane.states[frame] = LANE.anchor;
    lane.confidence[frame] = 255;
  }
  return [...lanes.values()];
}

/** The same of a frame that was just tracked. */
export function columnOf(session: Session, { frame, ids, confidence }: SessionResult): LaneColumn {
  const anchors = new Set(session.annotations.filter((at) => at.frame === frame).map(({ object }) => object));
  return {
    frame,
    entries: session.objects.map(({ id }) => {
      if (anchors.has(id)) return [id, LANE.anchor, 255] as const;
      const known = confidence.get(id);
      return [id, ids.includes(id) ? LANE.tracked : LANE.absent, known ? byte(known.confidence) : 255] as const;
    }),
  };
}

/** What each direction would track: all of it, and the part that has masks, which are stale. */
export function pendingOf(
  session: Session,
  lanes: readonly LaneData[],
): {
  stale: Record<Direction, FrameSpan[]>;
  pending: Record<Direction, number>;
  affected: readonly number[] | undefined;
} {
  const references = new Set(session.references);
  const isKnown = (frame: number) => lanes.some(({ states }) => states[frame] !== LANE.unknown);
  const of = (direction: Direction) => {
    const plan = session.affected(direction);
    const sign = direction === 'forward' ? 1 : -1;
    const stale: [number, number][] = [];
    let pending = 0;
    for (const [start, end] of plan.ranges) {
      if (end === null) continue;
      for (let frame = start; frame !== end; frame += sign) {
        if (references.has(frame)) continue;
        pending++;
        if (!isKnown(frame)) continue;
        const last = stale.at(-1);
        if (last && Math.abs(last[1] - frame) === 1) last[1] = frame;
        else stale.push([frame, frame]);
      }
    }
    const spans = stale.map(([a, b]): FrameSpan => [Math.min(a, b), Math.max(a, b)]);
    return { spans, pending, objects: plan.objects };
  };
  const [forward, backward] = [of('forward'), of('backward')];
  return {
    stale: { forward: forward.spans, backward: backward.spans },
    pending: { forward: forward.pending, backward: backward.pending },
    affected: forward.pending > 0 ? forward.objects : backward.objects,
  };
}
