import { mayBeAnimated } from '../animation.js';
import { SourceError } from '../errors.js';
import { givenBytes, isRemote } from '../given.js';
import type { RgbaImage } from '../image-source.js';
import type { BinarySource } from '../source-input.js';

/**
 * Bytes of a URL, a Blob, or the given bytes themselves. Paths mean nothing in a browser, and nothing is fetched unasked.
 * @throws SourceError for something else, or what cannot be fetched
 */
export async function readBinary(source: BinarySource): Promise<Uint8Array> {
  if (typeof source === 'string' && !isRemote(source)) {
    throw new SourceError('unsupported', source, 'a browser cannot open a path; pass a URL, a File or a Blob');
  }
  return givenBytes(source);
}

/** Folders by path exist in Node only. */
export async function listFolder(_path: string): Promise<string[] | undefined> {
  return undefined;
}

/** Decodes an image to RGBA, upright by its EXIF orientation, without colour-space conversion. Rejects damaged images. */
export async function decodeImage(bytes: Uint8Array): Promise<RgbaImage> {
  if (mayBeAnimated(bytes)) throw new Error('animated: only single pictures can be read here; convert it to a video');
  const bitmap = await createImageBitmap(new Blob([bytes as Uint8Array<ArrayBuffer>]), {
    colorSpaceConversion: 'none',
    premultiplyAlpha: 'none',
  });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('no 2D canvas to decode images with');
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, rgba: new Uint8Array(data.buffer) };
}
