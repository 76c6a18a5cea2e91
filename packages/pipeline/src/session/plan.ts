import { type Direction, signOf, type TravelRange } from './events.js';
import { producer, type SessionState } from './state.js';

/** Frames to track, and the objects that get new masks there; all of them where it is left out. */
export interface Plan {
  readonly ranges: readonly TravelRange[];
  readonly objects?: readonly number[];
}

/** An event that changed annotations of a frame. */
interface Edit {
  seq: number;
  frame: number;
  objects: readonly number[];
  /** Whether all its objects came into being with it. */
  creates: boolean;
  cleared: boolean;
}

/**
 * The frames that have to be tracked in a direction: those behind a reference frame that have no masks yet, and those that an
 * edit affects.
 *
 * An annotation of frame k affects the frames behind k in the direction in which they were tracked: objects compete for
 * every pixel, so the masks of all objects may change there. It ends at the next reference frame that annotates the same
 * objects. Masks behind that one stay; they do not get worse by the edit. A new object affects the frames in both directions,
 * but only its own masks: the others give way to it. Removing and merging objects changes masks in place and affects nothing else.
 *
 * @param frameCount Undefined where the source's end is not known.
 */
export function planRanges(state: SessionState, direction: Direction, frameCount: number | undefined): Plan {
  const sign = signOf(direction);
  const references = [...state.annotations.keys()].sort((a, b) => sign * (a - b));
  if (references.length === 0) return { ranges: [] };
  const edits = editsOf(state);
  const [first, last] = [references[0]!, lastFrame(state, direction, frameCount)];
  const ranges: [number, number | null][] = [];
  let newOnly = true;
  const created = new Set<number>();
  let open: [number, number | null] | undefined;
  for (let frame = first; sign * (last - frame) >= 0; frame += sign) {
    const reasons = reasonsFor(state, frame, direction, edits);
    if (!reasons) {
      open = undefined;
      continue;
    }
    if (reasons === 'missing') newOnly = false;
    else {
      for (const edit of reasons) {
        if (edit.creates) for (const id of edit.objects) created.add(id);
        else newOnly = false;
      }
    }
    if (open) open[1] = frame + sign;
    else {
      // The reference frame that the range hangs on is tracked with it, so that it is among the results.
      const start = state.annotations.has(frame - sign) ? frame - sign : frame;
      open = [start, frame + sign];
      ranges.push(open);
    }
  }
  if (direction === 'forward' && frameCount === undefined) {
    newOnly = false;
    if (open) open[1] = null;
    else ranges.push([state.annotations.has(last) ? last : last + 1, null]);
  }
  return newOnly && ranges.length > 0 ? { ranges, objects: [...created].sort((a, b) => a - b) } : { ranges };
}

/** The last frame in the direction of travel; of a source without a known end the last one with masks. */
function lastFrame(state: SessionState, direction: Direction, frameCount: number | undefined): number {
  if (direction === 'backward') return 0;
  if (frameCount !== undefined) return frameCount - 1;
  let last = Math.max(...state.annotations.keys());
  for (const { ranges, done, direction: travelled } of state.passes) {
    let rest = done;
    for (const [start, end] of ranges) {
      const length = Math.min(rest, end === null ? rest : Math.abs(end - start));
      if (length > 0) last = Math.max(last, start, start + signOf(travelled) * (length - 1));
      rest -= length;
    }
  }
  return last;
}

function editsOf(state: SessionState): Edit[] {
  const edits: Edit[] = [];
  for (const { seq, event } of state.path) {
    if (event.type === 'annotate') {
      const objects = event.masks
        .map(({ object }) => object)
        .filter((id) => state.objects.has(id) && !state.cleared.has(`${seq} ${id}`));
      const isNew = new Set(event.created?.map(({ id }) => id));
      const creates = objects.every((id) => isNew.has(id));
      if (objects.length > 0) edits.push({ seq, frame: event.frame, objects, creates, cleared: false });
    } else if (event.type === 'clear') {
      edits.push({ seq, frame: event.frame, objects: event.objects, creates: false, cleared: true });
    }
  }
  return edits;
}

/** Why a frame has to be tracked: it has no masks, or the edits that affect it. Undefined if it has not. */
function reasonsFor(
  state: SessionState,
  frame: number,
  direction: Direction,
  edits: readonly Edit[],
): 'missing' | Edit[] | undefined {
  if (!producer(state, frame)) return isWhole(state, frame, direction) ? undefined : 'missing';
  const sign = signOf(direction);
  const reasons = edits.filter((edit) => {
    const behind = sign * (frame - edit.frame);
    if (behind < 0 || (behind === 0 && !edit.cleared)) return false;
    const pass = producer(state, frame, edit.objects);
    // A pass knows what is annotated behind it, but not what it comes to later.
    const knew = pass && edit.seq <= pass.seq && (signOf(pass.direction) * (frame - edit.frame) >= 0 || !edit.creates);
    if (knew) return false;
    if (pass?.direction !== direction && !edit.creates) return false;
    return !isAnchored(state, edit, frame, sign);
  });
  return reasons.length > 0 ? reasons : undefined;
}

/** Whether a frame that was never tracked is annotated, with all objects that come to it in the direction of travel. */
function isWhole(state: SessionState, frame: number, direction: Direction): boolean {
  const here = state.annotations.get(frame);
  if (!here) return false;
  const sign = signOf(direction);
  for (const [reference, annotations] of state.annotations) {
    if (sign * (frame - reference) > 0 && [...annotations.keys()].some((id) => !here.has(id))) return false;
  }
  return true;
}

/** Whether a reference frame behind an edit, up to the given frame, annotates all its objects. */
function isAnchored(state: SessionState, edit: Edit, frame: number, sign: 1 | -1): boolean {
  for (const [reference, annotations] of state.annotations) {
    if (sign * (reference - edit.frame) <= 0 || sign * (frame - reference) < 0) continue;
    if (edit.objects.every((id) => annotations.has(id))) return true;
  }
  return false;
}
