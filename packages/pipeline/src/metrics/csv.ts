import { type ObjectScores, type SequenceScores, type Summary, summarise } from './evaluate.js';

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
  const row = (sequence: string, object: ObjectScores, i: number) => {
    const { j, f } = summarise([object]);
    return `${sequence}_${i + 1},${threeDecimals(j.mean)},${threeDecimals(f.mean)}\n`;
  };
  const rows = sequences.flatMap(({ name, objects }) => objects.map((object, i) => row(name, object, i)));
  return `Sequence,J-Mean,F-Mean\n${rows.join('')}`;
}
