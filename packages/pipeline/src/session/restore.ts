import type { FrameSource } from '../io/index.js';
import type { PropagateEvent } from './events.js';
import type { PassRunner } from './pass-runner.js';
import type { Project } from './project.js';
import { frameAt, type SessionState } from './state.js';
import { MissingMasksError } from './view.js';

/** What masks are computed again from. */
interface Restorable {
  readonly project: Project;
  readonly state: SessionState;
  readonly source: FrameSource;
  readonly runner: PassRunner;
}

/**
 * Computes masks again that belong to the session and are not stored.
 * @throws MissingMasksError for a live source, whose frames are gone
 */
export async function restoreMasks(
  { project, state, source, runner }: Restorable,
  { signal, onProgress }: { signal?: AbortSignal | undefined; onProgress?: (frame: number) => void } = {},
): Promise<void> {
  const { masks, history } = project;
  for (const { seq, done } of state.passes) {
    const node = history.node(seq);
    const frameOf = (position: number) => frameAt(node.event as PropagateEvent, position)!.frame;
    const isStored = (position: number) => masks.has(seq, frameOf(position));
    let last = done;
    while (last > 0 && isStored(last - 1)) last--;
    let first = 0;
    while (first < last && isStored(first)) first++;
    if (first === last) continue;
    if (source.kind === 'live') throw new MissingMasksError(seq, frameOf(first));
    for await (const { frame, labels, certaintyOf, gone } of runner.run(node, first, signal, last)) {
      await masks.add(seq, frame.index, labels, certaintyOf, gone);
      onProgress?.(frame.index);
    }
  }
}
