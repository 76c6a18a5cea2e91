import {
  add,
  cast,
  clipByValue,
  floor,
  gather,
  greaterEqual,
  lessEqual,
  logicalAnd,
  mul,
  reshape,
  slice,
  softmax,
  sub,
  type Tensor,
  tensor1d,
  tidy,
} from '@tensorflow/tfjs-core';
import type { DeformableAttentionShape } from './index.js';

/** The lower or the upper of the two pixels about a position: its index, and its share, zero outside of the map. */
function edge(position: Tensor, upper: boolean, length: number): { at: Tensor; share: Tensor } {
  const low = floor(position);
  const fraction = sub(position, low);
  const at = upper ? add(low, 1) : low;
  const inside = cast(logicalAnd(greaterEqual(at, 0), lessEqual(at, length - 1)), 'float32');
  return { at: clipByValue(at, 0, length - 1), share: mul(upper ? fraction : sub(1, fraction), inside) };
}

/** The unfused twin of `deformableAttention`, from stock tfjs operations: four gathers for each point of each level. */
export function stockDeformableAttention(
  value: Tensor,
  projection: Tensor,
  reference: Tensor,
  { levels, heads, points }: DeformableAttentionShape,
): Tensor {
  return tidy(() => {
    const queries = projection.shape[0]!;
    const channels = value.shape[1]!;
    const samples = levels.length * points;
    const rows = reshape(value, [-1, channels / heads]);
    const offsets = reshape(slice(projection, [0, 0], [-1, heads * samples * 2]), [queries * heads, samples * 2]);
    const logits = slice(projection, [0, heads * samples * 2], [-1, -1]);
    const weights = softmax(reshape(logits, [queries * heads, samples]));
    const headIndex = tensor1d(Array.from({ length: queries * heads }, (_, i) => i % heads));
    const column = (x: Tensor, index: number) => slice(x, [0, index], [-1, 1]);
    /** A coordinate of the references, once for each head. */
    const coordinate = (index: number) =>
      reshape(add(mul(0, reshape(headIndex, [queries, heads])), column(reference, index)), [-1, 1]);
    const centre = [coordinate(0), coordinate(1)] as const;
    const extent = reference.shape[1] === 4 ? ([coordinate(2), coordinate(3)] as const) : undefined;
    let out: Tensor | undefined;
    let start = 0;
    for (const [l, { height, width }] of levels.entries()) {
      for (let p = 0; p < points; p++) {
        const sample = l * points + p;
        const position = (axis: 0 | 1) => {
          const length = axis === 0 ? width : height;
          const offset = column(offsets, 2 * sample + axis);
          const moved = extent ? mul(mul(offset, extent[axis]), (0.5 / points) * length) : offset;
          return sub(add(mul(centre[axis], length), moved), 0.5);
        };
        const [x, y] = [position(0), position(1)];
        const weight = column(weights, sample);
        for (const bottom of [false, true]) {
          const row = edge(y, bottom, height);
          const rowWeight = mul(row.share, weight);
          const rowStart = add(mul(row.at, width), start);
          for (const right of [false, true]) {
            const pixel = edge(x, right, width);
            const index = add(mul(reshape(add(rowStart, pixel.at), [-1]), heads), headIndex);
            const part = mul(gather(rows, cast(index, 'int32')), mul(rowWeight, pixel.share));
            out = out ? add(out, part) : part;
          }
        }
      }
      start += height * width;
    }
    return reshape(out!, [queries, channels]);
  });
}
