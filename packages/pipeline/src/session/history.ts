import { SessionError } from './errors.js';
import type { ProjectLine, SessionEvent } from './events.js';

/** An event in the history; its parent is what was the newest event when it came. */
export interface HistoryNode {
  readonly seq: number;
  readonly parent: HistoryNode | undefined;
  readonly event: SessionEvent;
}

/**
 * The events of a session and the place in them: undo goes to the parent of the newest event, redo back again. A new event
 * after an undo begins a branch; what was undone stays in the log. Since an event's ancestors never change, neither does
 * anything that is computed from them.
 */
export class History {
  readonly #nodes = new Map<number, HistoryNode>();
  /** Frames that each propagation has come to. */
  readonly #done = new Map<number, number>();
  #head: HistoryNode | undefined;
  #redo: HistoryNode[] = [];
  #lastSeq = 0;

  /** The newest event that counts. */
  get head(): HistoryNode | undefined {
    return this.#head;
  }

  get nextSeq(): number {
    return this.#lastSeq + 1;
  }

  get canUndo(): boolean {
    return this.#head !== undefined;
  }

  get canRedo(): boolean {
    return this.#redo.length > 0;
  }

  /** Every event, those that were undone too. */
  get nodes(): IterableIterator<HistoryNode> {
    return this.#nodes.values();
  }

  /** @throws SessionError `corrupt` for a line that cannot follow on what there is. */
  apply(line: ProjectLine): void {
    if ('event' in line) {
      if (line.seq !== this.nextSeq) throw new SessionError('corrupt', `event ${line.seq} follows on ${this.#lastSeq}`);
      const node = { seq: line.seq, parent: this.#head, event: line.event };
      this.#nodes.set(line.seq, node);
      this.#lastSeq = line.seq;
      this.#head = node;
      this.#redo = [];
    } else if ('undo' in line) {
      if (!this.#head) throw new SessionError('corrupt', 'undo without an event before it');
      this.#redo.push(this.#head);
      this.#head = this.#head.parent;
    } else if ('redo' in line) {
      const node = this.#redo.pop();
      if (!node) throw new SessionError('corrupt', 'redo without an undo before it');
      this.#head = node;
    } else {
      if (this.#nodes.get(line.stopped)?.event.type !== 'propagate') {
        throw new SessionError('corrupt', `event ${line.stopped} is no propagation`);
      }
      this.setDone(line.stopped, line.frames);
    }
  }

  /** Events from the first to the given one. */
  path(node = this.#head): HistoryNode[] {
    const path: HistoryNode[] = [];
    for (let at = node; at; at = at.parent) path.push(at);
    return path.reverse();
  }

  node(seq: number): HistoryNode {
    const node = this.#nodes.get(seq);
    if (!node) throw new SessionError('corrupt', `there is no event ${seq}`);
    return node;
  }

  /** Frames that a propagation has come to. */
  done(seq: number): number {
    return this.#done.get(seq) ?? 0;
  }

  setDone(seq: number, frames: number): void {
    this.#done.set(seq, Math.max(frames, this.done(seq)));
  }
}
