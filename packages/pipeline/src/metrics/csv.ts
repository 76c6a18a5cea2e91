import { type SequenceScores, type Summary, summarise } from './evaluate.js';
import type { SequenceTiming } from './timing.js';

/**
 * Three decimals as C and Python print them: the nearest, and the even one of two that are equally near. `toFixed` rounds such ties up.
 * Only odd sixteenths are such ties in binary. NaN is an empty field, as pandas writes it.
 */
export function threeDecimals(value: number): string {
  if (Number.isNaN(value)) return '';
  const sixteenths = value * 16;
  if (!Number.isInteger(sixteenths) || sixteenths % 2 === 0) return value.toFixed(3);
  const below = Math.floor(value * 1000);
  return ((below % 2 === 0 ? below : below + 1) / 1000).toFixed(3);
}

/** The toolkit's `global_results-<set>.csv`. */
export function globalCsv({ jf, j, f }: Summary): string {
  const values = [jf, j.mean, j.recall, j.decay, f.mean, f.recall, f.decay];
  return `J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean,F-Recall,F-Decay\n${values.map(threeDecimals).join(',')}\n`;
}

/** The toolkit's `per-sequence_results-<set>.csv`: one row an object, `<sequence>_<number from 1>`, in the order of the scores. */
export function perSequenceCsv(sequences: readonly SequenceScores[]): string {
  const rows = sequences.flatMap(({ name, objects }) =>
    objects.map((object, i) => {
      const { j, f } = summarise([object]);
      return `${name}_${i + 1},${threeDecimals(j.mean)},${threeDecimals(f.mean)}\n`;
    }),
  );
  return `Sequence,J-Mean,F-Mean\n${rows.join('')}`;
}

/**
 * How fast each sequence was tracked, where that is known, and all of them. Not in the toolkit's files: scores are the same wherever they are
 * computed, times are not.
 */
export function timingCsv({
  sequences,
  timing,
}: {
  sequences: readonly { name: string; timing?: SequenceTiming }[];
  timing: SequenceTiming;
}): string {
  const rows = [...sequences.filter(({ timing }) => timing), { name: 'all', timing }].map(({ name, timing }) => {
    const { frames, seconds, framesPerSecond } = timing!;
    return `${name},${frames},${threeDecimals(seconds)},${threeDecimals(framesPerSecond)}\n`;
  });
  return `Sequence,Frames,Seconds,Frames-per-Second\n${rows.join('')}`;
}

/** The scores of each sequence and of all, aligned for a terminal. */
export function reportTable(report: {
  summary: Summary;
  sequences: readonly { name: string; summary: Summary }[];
}): string {
  const rows = [
    ['sequence', 'J&F', 'J mean', 'J recall', 'J decay', 'F mean', 'F recall', 'F decay'],
    ...[...report.sequences, { name: 'all objects', summary: report.summary }].map(
      ({ name, summary: { jf, j, f } }) => [
        name,
        ...[jf, j.mean, j.recall, j.decay, f.mean, f.recall, f.decay].map((value) => threeDecimals(value) || '-'),
      ],
    ),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const align = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return `${rows.map((row) => row.map(align).join('  ')).join('\n')}\n`;
}
