import { setTimeout as sleep } from 'node:timers/promises';
import { Pace, snapshotOf, watchTable } from '../observe/table.js';
import type { FarmQueue } from '../queue/farm-queue.js';

export interface WatchOptions {
  signal: AbortSignal;
  /** Asked after each look; ends the watch. */
  over: () => Promise<boolean>;
  /** Shows nothing. */
  quiet?: boolean | undefined;
  stream?: NodeJS.WriteStream | undefined;
  pauseMs?: number | undefined;
  /** After so long without an answer Redis is said to be away. */
  awayMs?: number | undefined;
}

/** A Redis that has not answered by then is said to be away. */
const AWAY_MS = 5000;

/** Shows a live table: redrawn on a terminal, and printed when something has changed elsewhere. */
export async function watch(
  queue: FarmQueue,
  { signal, over, quiet = false, stream = process.stderr, pauseMs = 1000, awayMs = AWAY_MS }: WatchOptions,
): Promise<void> {
  const pace = new Pace();
  const table = quiet ? undefined : new LiveTable(stream);
  const aborted = new Promise<undefined>((resolve) =>
    signal.addEventListener('abort', () => resolve(undefined), { once: true }),
  );
  while (!signal.aborted) {
    const away = setTimeout(() => table?.show(['Redis does not answer: waiting for it']), awayMs);
    const look = async () => {
      const snapshot = await snapshotOf(queue);
      return { snapshot, isOver: await over() };
    };
    const seen = await Promise.race([look(), aborted]).finally(() => clearTimeout(away));
    if (!seen) return;
    const { completed, failed, waiting } = seen.snapshot.counts;
    table?.show(watchTable(seen.snapshot, pace.left(seen.snapshot)), `${completed} ${failed} ${waiting}`);
    if (seen.isOver) return;
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
}

/** Lines that replace those that were shown before; where they cannot, the first one of them, when there is something new. */
class LiveTable {
  #drawn = 0;
  #news: string | undefined;

  constructor(private readonly stream: NodeJS.WriteStream) {}

  /** @param news what tells it from what was shown before */
  show(lines: readonly string[], news = lines[0]!): void {
    // Terminals without a size say 0.
    const [rows, columns] = [this.stream.rows || 40, this.stream.columns || 120];
    if (!this.stream.isTTY) {
      if (news !== this.#news) this.stream.write(`${lines[0]}\n`);
      this.#news = news;
      return;
    }
    const most = Math.max(3, rows - 1);
    const fits = lines.length <= most ? lines : [...lines.slice(0, most - 1), `... ${lines.length - most + 1} more`];
    const text = fits.map((line) => line.slice(0, columns - 1)).join('\n');
    // Nothing is wrapped: signs may be wider than one column.
    this.stream.write(`${this.#drawn > 0 ? `\x1b[${this.#drawn}A` : ''}\x1b[J\x1b[?7l${text}\x1b[?7h\n`);
    this.#drawn = fits.length;
  }
}
