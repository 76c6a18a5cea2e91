import type { Size, WindowOf } from './tracker.js';

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
 * @param windowOf Where height and width are those of a window: `longEdge` then is that of the whole frame, whose input is never smaller.
 */
export function networkSize(
  height: number,
  width: number,
  alignCorners: boolean,
  longEdge = DEFAULT_LONG_EDGE,
  windowOf?: WindowOf,
): Size {
  if (windowOf) return windowInputSize(height, width, alignCorners, longEdge, windowOf);
  return snapped({ height, width }, Math.min(1, longEdge / Math.max(height, width)), alignCorners);
}

function windowInputSize(
  height: number,
  width: number,
  alignCorners: boolean,
  longEdge: number,
  windowOf: WindowOf,
): Size {
  const { whole, factor } = windowOf;
  const area = (size: Size) => size.height * size.width;
  const most = area(networkSize(whole.height, whole.width, alignCorners, longEdge));
  let scale = factor * Math.min(1, longEdge / Math.max(whole.height, whole.width));
  let size = snapped({ height, width }, scale, alignCorners);
  // Both sides may be rounded up: a window must not cost more than the whole frame.
  while (area(size) > most) size = snapped({ height, width }, (scale *= 0.99), alignCorners);
  return size;
}

function snapped({ height, width }: Size, scale: number, alignCorners: boolean): Size {
  const snap = (side: number) => {
    const scaled = scale === 1 ? side : Math.trunc(side * scale);
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
