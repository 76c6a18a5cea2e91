/**
 * How much of each token each label covers: the one-hot label map averaged over the token's area. Token i of n along a
 * side of s pixels covers pixels floor(i s / n) to ceil((i + 1) s / n), as PyTorch's adaptive average pooling has it.
 *
 * @param labels Ids of [size.height, size.width] pixels; ids from `classes` on are in no label.
 * @param channels Columns of the result; the first `classes` are labels, the others 0.
 * @returns float32 [grid.height * grid.width, channels], flat.
 */
export function softLabels(
  labels: ArrayLike<number>,
  size: { height: number; width: number },
  grid: { height: number; width: number },
  classes: number,
  channels: number,
): Float32Array<ArrayBuffer> {
  const soft = new Float32Array(grid.height * grid.width * channels);
  const first = (i: number, side: number, count: number) => Math.floor((i * side) / count);
  const last = (i: number, side: number, count: number) => Math.ceil(((i + 1) * side) / count);
  for (let ty = 0; ty < grid.height; ty++) {
    const [y0, y1] = [first(ty, size.height, grid.height), last(ty, size.height, grid.height)];
    for (let tx = 0; tx < grid.width; tx++) {
      const [x0, x1] = [first(tx, size.width, grid.width), last(tx, size.width, grid.width)];
      const base = (ty * grid.width + tx) * channels;
      for (let y = y0; y < y1; y++) {
        for (let x = x0; x < x1; x++) {
          const label = labels[y * size.width + x]!;
          if (label < classes) soft[base + label]!++;
        }
      }
      const pixels = (y1 - y0) * (x1 - x0);
      for (let c = 0; c < classes; c++) soft[base + c]! /= pixels;
    }
  }
  return soft;
}
