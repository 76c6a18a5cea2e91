/** Which bytes of a range have been seen, as disjoint intervals in ascending order. */
export class Coverage {
  readonly #intervals: { start: number; end: number }[] = [];
  #bytes = 0;

  /** Bytes that have been seen, each counted once. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds the bytes from `start` up to `end`, exclusive. */
  add(start: number, end: number): void {
    if (end <= start) return;
    const from = this.#intervals.findIndex((interval) => interval.end >= start);
    const first = from < 0 ? this.#intervals.length : from;
    let last = first;
    while (last < this.#intervals.length && this.#intervals[last]!.start <= end) last++;
    const touched = this.#intervals.slice(first, last);
    const merged = {
      start: Math.min(start, touched[0]?.start ?? start),
      end: Math.max(end, touched.at(-1)?.end ?? end),
    };
    this.#bytes +=
      merged.end - merged.start - touched.reduce((sum, interval) => sum + interval.end - interval.start, 0);
    this.#intervals.splice(first, touched.length, merged);
  }
}
