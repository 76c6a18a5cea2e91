import type { Point } from '../protocol.js';

/** Sets the pixels whose centres are within `radius` of a line, in pixels of the frame. */
export function paintLine(
  pixels: Uint8Array,
  { width, height }: { width: number; height: number },
  points: readonly Point[],
  radius: number,
  value: 0 | 1,
): void {
  for (const [i, [x0, y0]] of points.entries()) {
    const [x1, y1] = points[Math.min(i + 1, points.length - 1)]!;
    const [dx, dy] = [x1 - x0, y1 - y0];
    const length = dx * dx + dy * dy;
    const left = Math.max(0, Math.floor(Math.min(x0, x1) - radius));
    const right = Math.min(width - 1, Math.ceil(Math.max(x0, x1) + radius));
    const top = Math.max(0, Math.floor(Math.min(y0, y1) - radius));
    const bottom = Math.min(height - 1, Math.ceil(Math.max(y0, y1) + radius));
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const [px, py] = [x + 0.5 - x0, y + 0.5 - y0];
        const along = length === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / length));
        if ((px - along * dx) ** 2 + (py - along * dy) ** 2 <= radius * radius) pixels[y * width + x] = value;
      }
    }
  }
}

/** The pixel of a mask that is nearest to its centre of mass; undefined for an empty one. */
export function insideOf(pixels: Uint8Array, width: number): Point | undefined {
  let [sumX, sumY, count] = [0, 0, 0];
  for (let i = 0; i < pixels.length; i++) {
    if (!pixels[i]) continue;
    sumX += i % width;
    sumY += Math.floor(i / width);
    count++;
  }
  if (count === 0) return undefined;
  const [x, y] = [sumX / count, sumY / count];
  let best: { at: number; far: number } | undefined;
  for (let i = 0; i < pixels.length; i++) {
    if (!pixels[i]) continue;
    const far = ((i % width) - x) ** 2 + (Math.floor(i / width) - y) ** 2;
    if (!best || far < best.far) best = { at: i, far };
  }
  return [(best!.at % width) + 0.5, Math.floor(best!.at / width) + 0.5];
}
