import type { Certainty } from '@samtrack/models';
import { emptyLabelMap, type LabelMap, labelIds, relabel } from '../io/label-map.js';

/** Translates ids of objects, whatever they are, to those of a tracker: 1, 2, ... in the order in which objects came. */
export class TrackerIds {
  readonly #objects: number[];

  /** @param objects By tracker id less one; two of them may be the same object. */
  constructor(objects: readonly number[] = []) {
    this.#objects = [...objects];
  }

  /** Objects by tracker id less one. */
  get objects(): readonly number[] {
    return this.#objects;
  }

  /** Gives the objects in a label map tracker ids, unless they have some. */
  add(labels: LabelMap): void {
    for (const id of labelIds(labels)) if (!this.#objects.includes(id)) this.#objects.push(id);
  }

  /** A copy with tracker ids; objects that have none are background. */
  toTracker(labels: LabelMap): LabelMap {
    const copy = emptyLabelMap(labels.width, labels.height);
    copy.data.set(labels.data);
    relabel(copy, (id) => this.#objects.indexOf(id) + 1);
    return copy;
  }

  /** Tracker ids of objects; those that have none are left out. */
  trackerIds(objects: Iterable<number>): Set<number> {
    return new Set([...objects].map((id) => this.#objects.indexOf(id) + 1).filter((id) => id > 0));
  }

  /** Turns tracker ids into those of objects, in place. */
  fromTracker(labels: LabelMap): void {
    relabel(labels, (id) => this.#objects[id - 1] ?? 0);
  }

  /** How sure the tracker is, by object. Where several of its ids are one object, it is the mean over all their positions. */
  certainty(byTracker: ReadonlyMap<number, Certainty>): Map<number, Certainty> {
    const byObject = new Map<number, Certainty>();
    for (const [trackerId, part] of byTracker) {
      const id = this.#objects[trackerId - 1];
      if (id === undefined) continue;
      const other = byObject.get(id);
      const positions = part.positions + (other?.positions ?? 0);
      const mean = other ? (part.mean * part.positions + other.mean * other.positions) / positions : part.mean;
      byObject.set(id, { mean, positions });
    }
    return byObject;
  }
}
