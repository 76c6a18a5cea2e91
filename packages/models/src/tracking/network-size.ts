import type { Size } from './tracker.js';

/** Longest side that evaluation feeds to the network: 1.3 x 800. */
export const DEFAULT_LONG_EDGE = 1040;

/** Rounds to the nearest integer, halves to the even one, as NumPy does. */
const roundHalfEven = (value: number): number => {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
};

/**
 * Network input size of a frame: the long edge is limited, then each side is snapped to the lattice of the model, 16n + 1
 * with aligned corners and 16n without (aot-benchmark, `MultiRestrictSize`).
 */
export function networkSize(height: number, width: number, alignCorners: boolean, longEdge = DEFAULT_LONG_EDGE): Size {
  const scale = Math.min(1, longEdge / Math.max(height, width));
  const snap = (side: number) => {
    const scaled = scale < 1 ? Math.trunc(side * scale) : side;
    return alignCorners
      ? Math.max(1, roundHalfEven((scaled - 1) / 16)) * 16 + 1
      : Math.max(1, roundHalfEven(scaled / 16)) * 16;
  };
  return { height: snap(height), width: snap(width) };
}

/** Token grid of a network input size: stride 16. */
export function tokenGrid(size: Size, alignCorners: boolean): Size {
  const tokens = (side: number) => (alignCorners ? (side - 1) / 16 + 1 : side / 16);
  return { height: tokens(size.height), width: tokens(size.width) };
}
