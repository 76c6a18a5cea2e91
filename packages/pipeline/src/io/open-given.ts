import { openBlobImages } from './blob-images.js';
import type { OpenedSource } from './frame-source.js';
import { IMAGE_EXTENSION, type RgbaImage } from './image-source.js';
import type { OpenSourceOptions } from './source-input.js';
import { isZip, zipImages } from './zip-images.js';

/** What differs between Node and browsers. */
interface Decoders {
  decodeImage(bytes: Uint8Array): Promise<RgbaImage>;
  openVideo(file: File): Promise<OpenedSource>;
}

/** Opens files that a program has in hand: a zip of images, images, or else a video. Throws as `openSource`. */
export async function openGiven(
  given: File | readonly File[],
  { decodeImage, openVideo }: Decoders,
  options: OpenSourceOptions,
): Promise<OpenedSource> {
  if (!(given instanceof File)) return openBlobImages(given, decodeImage, options);
  if (isZip(given.name)) {
    return zipImages(given.name, new Uint8Array(await given.arrayBuffer()), decodeImage, options);
  }
  if (IMAGE_EXTENSION.test(given.name)) return openBlobImages([given], decodeImage, options);
  return openVideo(given);
}
