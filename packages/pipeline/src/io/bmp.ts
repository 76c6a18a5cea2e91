import type { RgbaImage } from './image-source.js';

/**
 * Decodes an uncompressed Windows bitmap of 8 (palette), 24 or 32 bits a pixel; libvips has no reader for it.
 * Throws an `Error` for other kinds and for files that are too short.
 */
export function decodeBmp(bytes: Uint8Array): RgbaImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 54 || view.getUint16(0, true) !== 0x4d42) throw new Error('not a bitmap');
  const pixels = view.getUint32(10, true);
  const headerSize = view.getUint32(14, true);
  const width = view.getInt32(18, true);
  const signedHeight = view.getInt32(22, true);
  const bits = view.getUint16(28, true);
  const compression = view.getUint32(30, true);
  const plain = compression === 0 || (compression === 3 && bits === 32);
  if (!plain || ![8, 24, 32].includes(bits))
    throw new Error(`a bitmap of ${bits} bits with compression ${compression}`);
  const height = Math.abs(signedHeight);
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (width <= 0 || height === 0 || pixels + stride * height > bytes.length) throw new Error('the bitmap is cut short');

  const rgba = new Uint8Array(width * height * 4);
  const bytesPerPixel = bits / 8;
  for (let y = 0; y < height; y++) {
    // A positive height means rows from the bottom.
    const row = pixels + (signedHeight > 0 ? height - 1 - y : y) * stride;
    for (let x = 0; x < width; x++) {
      const sample = row + x * bytesPerPixel;
      const bgr = bits === 8 ? 14 + headerSize + bytes[sample]! * 4 : sample;
      const at = (y * width + x) * 4;
      rgba[at] = bytes[bgr + 2]!;
      rgba[at + 1] = bytes[bgr + 1]!;
      rgba[at + 2] = bytes[bgr]!;
      rgba[at + 3] = 255;
    }
  }
  return { width, height, rgba };
}
