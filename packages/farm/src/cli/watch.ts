import { setTimeout as sleep } from 'node:timers/promises';
import { Pace, snapshotOf, watchTable } from '../observe/table.js';
import type { FarmQueue } from '../queue/farm-queue.js';

export interface WatchOptions {
  signal: AbortSignal;
  /** Asked after each look; ends the watch. */
  over: () => Promise<boolean>;
  stream?: NodeJS.WriteStream | undefined;
  pauseMs?: number | undefined;
}

/** Shows a live table: redrawn on a terminal, and printed when something has changed elsewhere. */
export async function watch(
  queue: FarmQueue,
  { signal, over, stream = process.stderr, pauseMs = 1000 }: WatchOptions,
): Promise<void> {
  const pace = new Pace();
  let drawn = 0;
  let printed = '';
  while (!signal.aborted) {
    const snapshot = await snapshotOf(queue);
    const lines = watchTable(snapshot, pace.left(snapshot));
    if (stream.isTTY) {
      const most = Math.max(3, (stream.rows || 40) - 1);
      const shown = lines.slice(0, most).map((line) => line.slice(0, (stream.columns || 120) - 1));
      stream.write(`${drawn > 0 ? `\x1b[${drawn}A` : ''}\x1b[J${shown.join('\n')}\n`);
      drawn = shown.length;
    } else {
      const { completed, failed, waiting } = snapshot.counts;
      const line = `${completed} done, ${failed} failed, ${waiting} waiting`;
      if (line !== printed) stream.write(`${lines[0]}\n`);
      printed = line;
    }
    if (await over()) return;
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
}
