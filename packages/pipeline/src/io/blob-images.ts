import { blobDigest } from './content-digest.js';
import type { OpenedSource } from './frame-source.js';
import { type ImageSourceOptions, imageFiles, imageSource, type RgbaImage, stemOf } from './image-source.js';

/**
 * A frame source over image files that a page was given (a file picker, a dropped folder), in natural order of their names;
 * files that are no images are left out. Throws as `imageSource`.
 */
export async function openBlobImages(
  files: readonly File[],
  decodeImage: (bytes: Uint8Array) => Promise<RgbaImage>,
  options: ImageSourceOptions,
): Promise<OpenedSource> {
  const byName = new Map(files.map((file) => [file.name, file]));
  const entries = imageFiles(byName.keys()).map((name) => ({
    file: name,
    stem: stemOf(name),
    load: async () => decodeImage(new Uint8Array(await byName.get(name)!.arrayBuffer())),
    digest: (budget: number) => blobDigest(byName.get(name)!, budget),
  }));
  const folder = files[0]?.webkitRelativePath?.split('/')[0];
  return imageSource(folder || 'images', entries, { fps: options.fps });
}
