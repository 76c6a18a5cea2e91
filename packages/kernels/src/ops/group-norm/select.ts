/** How positions are cut into chunks for the first pass. */
export interface GroupNormPlan {
  /** Positions of a chunk; the last one may have fewer. */
  chunk: number;
  chunks: number;
}

/** Chunks short enough to fill a GPU, long enough that their merging costs nothing: at most 256, of at least 16. */
export function planGroupNorm(positions: number): GroupNormPlan {
  const chunk = Math.max(16, Math.ceil(positions / 256));
  return { chunk, chunks: Math.ceil(positions / chunk) };
}
