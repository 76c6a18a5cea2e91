/** Statistics of one measure over an object's frames. */
export interface Statistics {
  mean: number;
  /** Share of frames above 0.5. */
  recall: number;
  /** Mean of the first quarter of the frames minus mean of the last: positive if quality falls. */
  decay: number;
}

const mean = (values: ArrayLike<number>, from = 0, to = values.length): number => {
  let sum = 0;
  for (let i = from; i < to; i++) sum += values[i]!;
  return to > from ? sum / (to - from) : Number.NaN;
};

/** The average, NaN of nothing. */
export const average = (values: ArrayLike<number>): number => mean(values);

/**
 * First and last frame of each quarter; neighbouring quarters share a frame. Five positions, 0-based.
 * @param compat the toolkit keeps them in 8 bits, so that they wrap at 256
 */
export function quarterEdges(frames: number, compat = false): number[] {
  return [0, 1, 2, 3, 4].map((k) => {
    const edge = Math.round(1 + ((frames - 1) * k) / 4 + 1e-10) - 1;
    return compat ? edge & 255 : edge;
  });
}

/**
 * Mean, recall and decay as the DAVIS toolkit computes them.
 * @param compat keep the toolkit's 8-bit frame numbers: above 256 frames its last quarter comes out empty, and decay is NaN
 */
export function statistics(values: ArrayLike<number>, { compat = false }: { compat?: boolean } = {}): Statistics {
  const edges = quarterEdges(values.length, compat);
  const quarter = (k: number) => mean(values, edges[k]!, Math.min(edges[k + 1]! + 1, values.length));
  let above = 0;
  for (let i = 0; i < values.length; i++) if (values[i]! > 0.5) above++;
  return { mean: mean(values), recall: above / values.length, decay: quarter(0) - quarter(3) };
}
