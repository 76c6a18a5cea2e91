import { readdir, readFile } from 'node:fs/promises';
import { decodeBmp } from '../bmp.js';
import type { RgbaImage } from '../image-source.js';
import type { BinarySource } from '../source-input.js';

/** Bytes of a file, a Blob, or the given bytes themselves. */
export async function readBinary(source: BinarySource): Promise<Uint8Array> {
  if (typeof source === 'string') return readFile(source);
  return source instanceof Uint8Array ? source : new Uint8Array(await source.arrayBuffer());
}

/** Names of what a folder holds, or undefined if there is no such folder. */
export async function listFolder(path: string): Promise<string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

const isBmp = (bytes: Uint8Array) => bytes[0] === 0x42 && bytes[1] === 0x4d;

/**
 * Decodes an image (JPEG, PNG, WebP, BMP; whatever else libvips reads) to RGBA, upright by its EXIF orientation.
 *
 * ICC profiles are ignored, as PIL, OpenCV and `colorSpaceConversion: 'none'` do; JPEG pixels are then equal to PIL's
 * (measured on DAVIS frames, 4:2:0: no difference). Damaged data is an error, not a grey patch.
 */
export async function decodeImage(bytes: Uint8Array): Promise<RgbaImage> {
  if (isBmp(bytes)) return decodeBmp(bytes);
  const { default: sharp } = await import('sharp');
  const { data, info } = await sharp(bytes, { failOn: 'warning', ignoreIcc: true })
    .autoOrient()
    .toColourspace('srgb')
    .ensureAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgba: new Uint8Array(data.buffer, data.byteOffset, data.length) };
}
