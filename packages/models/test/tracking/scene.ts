import type { Size } from '../../src/tracking/index.js';

/** A small video: pictures of coloured waves, each its own, and labels for them. */
export function scene(size: Size) {
  const { height, width } = size;
  const pixels = height * width;
  return {
    /** RGBA bytes. */
    frame(index: number): Uint8Array {
      const rgba = new Uint8Array(pixels * 4).fill(255);
      for (let i = 0; i < pixels; i++) {
        const [x, y] = [i % width, Math.floor(i / width)];
        for (let c = 0; c < 3; c++)
          rgba[i * 4 + c] = 128 + 100 * Math.sin((x + index) / (5 + c) + (y - index) / (9 - 2 * c));
      }
      return rgba;
    },
    /** Objects 1..count as vertical stripes over the upper half. */
    stripes: (count: number) =>
      Int32Array.from({ length: pixels }, (_, i) =>
        i < pixels / 2 ? 1 + Math.floor(((i % width) * count) / width) : 0,
      ),
  };
}
