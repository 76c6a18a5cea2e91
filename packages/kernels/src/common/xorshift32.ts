/**
 * Reproducible random numbers (Marsaglia, "Xorshift RNGs", 2003).
 * @param seed uint32, not 0
 * @returns gives the next uint32 with every call
 */
export function xorshift32(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
