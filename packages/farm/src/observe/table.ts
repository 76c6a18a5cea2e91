import { formatDuration } from 'samtrack/cli';
import type { FarmQueue, JobReport } from '../queue/farm-queue.js';

/** What a queue is doing. */
export interface Snapshot {
  counts: { waiting: number; active: number; held: number; completed: number; failed: number };
  active: { id: string; name: string; kind: string; report: Partial<JobReport> }[];
}

export async function snapshotOf({ queue }: FarmQueue): Promise<Snapshot> {
  const [counts, jobs] = await Promise.all([
    queue.getJobCounts('wait', 'prioritized', 'delayed', 'active', 'waiting-children', 'completed', 'failed'),
    queue.getJobs(['active'], 0, 199, true),
  ]);
  const of = (...states: string[]) => states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  return {
    counts: {
      waiting: of('wait', 'prioritized', 'delayed'),
      active: of('active'),
      held: of('waiting-children'),
      completed: of('completed'),
      failed: of('failed'),
    },
    active: jobs.filter(Boolean).map((job) => ({
      id: job.id!,
      name: job.data.spec.name,
      kind: job.name,
      report: typeof job.progress === 'object' ? (job.progress as Partial<JobReport>) : {},
    })),
  };
}

/** A text of whatever origin, without what would move a terminal's cursor. */
export const printable = (text: string) => text.replace(/\p{Cc}/gu, '?');

/** Columns, the first to the left and the others to the right. */
export function columns(cells: readonly (readonly string[])[]): string[] {
  const rows = cells.map((row) => row.map(printable));
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** The table of `samtrack jobs watch`. @param jobsLeft seconds until the queue is empty, if that can be told */
export function watchTable({ counts, active }: Snapshot, jobsLeft?: number): string[] {
  const { waiting, held, completed, failed } = counts;
  const head =
    `${completed} done, ${counts.active} at work, ${waiting} waiting${held > 0 ? `, ${held} held for others` : ''}` +
    `${failed > 0 ? `, ${failed} failed` : ''}${jobsLeft === undefined ? '' : `; about ${formatDuration(jobsLeft)} left`}`;
  if (active.length === 0) return [head];
  const rows = active
    .sort((a, b) => a.name.localeCompare(b.name))
    .map(({ id, name, kind, report: { done, total, tracked = 0, seconds = 0, host = '' } }) => {
      const fps = tracked > 0 && seconds > 0 ? tracked / seconds : undefined;
      const left = fps && total !== undefined && done !== undefined ? formatDuration((total - done) / fps) : '';
      const frames = done === undefined ? '' : `${done}${total === undefined ? '' : `/${total}`}`;
      return [id.slice(0, 12), name, kind, frames, fps?.toFixed(2) ?? '', left, host];
    });
  return [head, '', ...columns([['job', 'name', 'kind', 'frames', 'fps', 'left', 'host'], ...rows])];
}

/** Tells from how fast jobs went until now how long the rest will take. */
export class Pace {
  #first: { completed: number; seconds: number } | undefined;

  left({ counts: { completed, waiting, active, held } }: Snapshot): number | undefined {
    const seconds = performance.now() / 1000;
    this.#first ??= { completed, seconds };
    const done = completed - this.#first.completed;
    const open = waiting + active + held;
    return done > 0 && open > 0 ? ((seconds - this.#first.seconds) / done) * open : undefined;
  }
}
