/** An RGBA picture turned clockwise by 0, 90, 180 or 270 degrees, then mirrored left to right if `flip`. */
export function orient(
  rgba: Uint8Array,
  width: number,
  height: number,
  rotation: number,
  flip: boolean,
): { rgba: Uint8Array; width: number; height: number } {
  if (rotation === 0 && !flip) return { rgba, width, height };
  const sideways = rotation === 90 || rotation === 270;
  const outWidth = sideways ? height : width;
  const outHeight = sideways ? width : height;
  const source = new Uint32Array(rgba.buffer, rgba.byteOffset, width * height);
  const target = new Uint32Array(width * height);
  // Source position of target pixel (0, 0), and the steps to its right and lower neighbours.
  const [origin, right, down] = {
    0: [0, 1, width],
    90: [(height - 1) * width, -width, 1],
    180: [height * width - 1, -1, -width],
    270: [width - 1, width, -1],
  }[rotation] as [number, number, number];
  for (let y = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++) {
      const column = flip ? outWidth - 1 - x : x;
      target[y * outWidth + x] = source[origin + column * right + y * down]!;
    }
  }
  return { rgba: new Uint8Array(target.buffer), width: outWidth, height: outHeight };
}
