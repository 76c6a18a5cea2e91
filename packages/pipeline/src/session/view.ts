import { emptyLabelMap, type LabelMap } from '../io/index.js';
import { SessionError } from './errors.js';
import type { MaskStore } from './mask-store.js';
import { relabel, replaceObject } from './masks.js';
import { producer, type SessionState } from './state.js';

/** Masks that a propagation gave and that are not stored any more. */
export class MissingMasksError extends SessionError {
  constructor(
    readonly pass: number,
    readonly frame: number,
  ) {
    super('missing-masks', `the masks of frame ${frame} are not stored; they have to be computed again`);
  }
}

/**
 * The masks of a frame in a state of the session: those of the newest propagation that came there, then whatever was changed
 * after it, in order.
 * @returns undefined where nothing is known of the frame
 * @throws MissingMasksError
 */
export async function viewFrame(
  state: SessionState,
  store: MaskStore,
  frame: number,
  size: { width: number; height: number },
): Promise<LabelMap | undefined> {
  const pass = producer(state, frame);
  let labels = pass && (await store.read(pass.seq, frame));
  if (pass && !labels) throw new MissingMasksError(pass.seq, frame);
  for (const { seq, event } of state.path) {
    if (pass && seq <= pass.seq) continue;
    if (event.type === 'annotate' && event.frame === frame) {
      labels ??= emptyLabelMap(size.width, size.height);
      for (const { object, counts } of event.masks) {
        if (state.cleared.has(`${seq} ${object}`)) continue;
        replaceObject(labels, object, [{ size: [size.height, size.width], counts }]);
      }
    } else if (labels && event.type === 'remove') {
      relabel(labels, (id) => (id === event.object ? 0 : id));
    } else if (labels && event.type === 'merge') {
      relabel(labels, (id) => (event.objects.includes(id) ? event.into : id));
    }
  }
  return labels;
}
