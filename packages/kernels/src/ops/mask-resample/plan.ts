import { dispose, type Tensor, tensor } from '@tensorflow/tfjs-core';

/** Between which sizes masks are resampled. */
export interface MaskGeometry {
  /** Side of the square maps of logits. At least 3. */
  side: number;
  /** Side of the network's square input, `side` or more. */
  frame: number;
  /** The part of the frame, from its upper left corner, that holds the image. */
  input: { height: number; width: number };
  /** The image. */
  output: { height: number; width: number };
}

/** A prepared resampling; dispose it. */
export interface MaskPlan extends MaskGeometry {
  /** float32 [width, 4] and [height, 4]: the first of three samples of an axis, and their weights. */
  columns: Tensor;
  /** float32 [height, 4]. */
  rows: Tensor;
  dispose(): void;
}

/** The two samples between which a position lies; half-pixel centres, not below the first. */
function neighbours(position: number, input: number, output: number): [index: number, weight: number][] {
  const source = Math.max(((position + 0.5) * input) / output - 0.5, 0);
  const first = Math.min(Math.floor(source), input - 1);
  const fraction = source - first;
  return [
    [first, 1 - fraction],
    [Math.min(first + 1, input - 1), fraction],
  ];
}

/**
 * The two bilinear steps of one axis in one: since neighbours in the frame are less than a sample apart in the map, three
 * neighbouring samples of the map cover both.
 */
function chainedTaps(side: number, frame: number, input: number, output: number): Float32Array {
  const taps = new Float32Array(output * 4);
  const weights = new Float64Array(side);
  for (let i = 0; i < output; i++) {
    weights.fill(0);
    let first = side - 3;
    for (const [x, share] of neighbours(i, input, output)) {
      for (const [sample, weight] of neighbours(x, side, frame)) {
        weights[sample]! += share * weight;
        if (share * weight > 0) first = Math.min(first, sample);
      }
    }
    taps[i * 4] = first;
    for (let k = 0; k < 3; k++) taps[i * 4 + 1 + k] = weights[first + k]!;
  }
  return taps;
}

/** Prepares `maskStatistics`, `maskBits` and `maskValues`. @throws RangeError for sizes that have no such resampling */
export function makeMaskPlan(geometry: MaskGeometry): MaskPlan {
  const { side, frame, input, output } = geometry;
  const sizes = [side, frame, input.height, input.width, output.height, output.width];
  if (!sizes.every((n) => Number.isSafeInteger(n) && n > 0) || side < 3 || frame < side) {
    throw new RangeError(
      `no masks of ${side}x${side} in a frame of ${frame} are resampled: ${JSON.stringify(geometry)}`,
    );
  }
  if (input.height > frame || input.width > frame) {
    throw new RangeError(`an image of ${input.height}x${input.width} pixels does not fit into a frame of ${frame}`);
  }
  const columns = tensor(chainedTaps(side, frame, input.width, output.width), [output.width, 4]);
  const rows = tensor(chainedTaps(side, frame, input.height, output.height), [output.height, 4]);
  return { ...geometry, columns, rows, dispose: () => dispose([columns, rows]) };
}
