import type { DeformableAttentionShape } from './index.js';

/** Plain-loop twin of `deformableAttention` in float64; operands are flat row-major arrays. */
export function deformableAttentionReference(
  value: ArrayLike<number>,
  projection: ArrayLike<number>,
  reference: ArrayLike<number>,
  queries: number,
  { levels, heads, points }: DeformableAttentionShape,
): Float64Array {
  const pixels = levels.reduce((sum, { height, width }) => sum + height * width, 0);
  const channels = value.length / pixels;
  const size = channels / heads;
  const coordinates = reference.length / queries;
  const samples = levels.length * points;
  const out = new Float64Array(queries * channels);
  for (let q = 0; q < queries; q++) {
    const [cx, cy, w = 0, h = 0] = Array.from({ length: coordinates }, (_, i) => reference[q * coordinates + i]!);
    for (let head = 0; head < heads; head++) {
      const base = q * heads * samples * 3;
      const logits = Array.from(
        { length: samples },
        (_, s) => projection[base + heads * samples * 2 + head * samples + s]!,
      );
      const highest = Math.max(...logits);
      const weights = logits.map((logit) => Math.exp(logit - highest));
      const total = weights.reduce((a, b) => a + b, 0);
      let start = 0;
      for (const [l, { height, width }] of levels.entries()) {
        for (let p = 0; p < points; p++) {
          const sample = l * points + p;
          const at = base + (head * samples + sample) * 2;
          const [dx, dy] = [projection[at]!, projection[at + 1]!];
          const x = (coordinates === 4 ? cx! + (dx / points) * w * 0.5 : cx! + dx / width) * width - 0.5;
          const y = (coordinates === 4 ? cy! + (dy / points) * h * 0.5 : cy! + dy / height) * height - 0.5;
          for (const [row, column] of [
            [0, 0],
            [0, 1],
            [1, 0],
            [1, 1],
          ] as const) {
            const [py, px] = [Math.floor(y) + row, Math.floor(x) + column];
            if (py < 0 || py >= height || px < 0 || px >= width) continue;
            const share = (1 - Math.abs(y - py)) * (1 - Math.abs(x - px)) * (weights[sample]! / total);
            const from = (start + py * width + px) * channels + head * size;
            for (let c = 0; c < size; c++) out[q * channels + head * size + c]! += share * value[from + c]!;
          }
        }
        start += height * width;
      }
    }
  }
  return out;
}
