import { unzipSync } from 'fflate';
import { bytesDigest } from './content-digest.js';
import { SourceError } from './errors.js';
import type { OpenedSource } from './frame-source.js';
import {
  type ImageSourceDetails,
  type ImageSourceOptions,
  imageFiles,
  imageSource,
  type RgbaImage,
  stemOf,
} from './image-source.js';

/** Whether a file is a zip archive by its name. */
export const isZip = (name: string): boolean => /\.zip$/i.test(name);

const folderOf = (path: string) => path.slice(0, path.lastIndexOf('/') + 1);
const fileOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);

/** Whether the first file of an archive needs a password: the first flag of its header. */
const isEncrypted = (bytes: Uint8Array) =>
  [0x50, 0x4b, 0x03, 0x04].every((byte, i) => bytes[i] === byte) && (bytes[6]! & 1) !== 0;

/**
 * The images of a zip archive in natural order of their names; they stand in one folder of it, or at its top. The archive stays in memory, images are
 * unpacked when they are asked for.
 * Throws `SourceError`: `unreadable`, `no-frames`, `unsupported` for images in several folders and encrypted archives; `FrameError` if the first image is damaged.
 * @param file path or name, for messages
 */
export async function zipImages(
  file: string,
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => Promise<RgbaImage>,
  options: ImageSourceOptions & ImageSourceDetails = {},
): Promise<OpenedSource> {
  const paths: string[] = [];
  try {
    unzipSync(bytes, {
      filter: ({ name }) => {
        paths.push(name);
        return false;
      },
    });
  } catch (cause) {
    throw new SourceError('unreadable', file, `not a readable zip archive (${(cause as Error).message})`, { cause });
  }
  if (isEncrypted(bytes))
    throw new SourceError('unsupported', file, 'an encrypted archive: unpack it with its password');
  // macOS adds a folder of what is no image in spite of its name.
  const files = paths.filter((path) => !path.startsWith('__MACOSX/') && !path.endsWith('/'));
  const images = files.filter((path) => imageFiles([fileOf(path)]).length > 0);
  if (images.length === 0) {
    const [other] = files;
    const holds = other
      ? `; it holds ${other}${files.length > 1 ? ' and more' : ''}, to be unpacked and opened by itself`
      : '';
    throw new SourceError('no-frames', file, `no jpg, png, webp or bmp images${holds}`);
  }
  const folders = [...new Set(images.map(folderOf))];
  if (folders.length > 1) {
    throw new SourceError(
      'unsupported',
      file,
      `images in several folders: ${folders.map((name) => name || './').join(', ')}`,
    );
  }
  const entries = imageFiles(images.map(fileOf)).map((name) => {
    const path = `${folders[0]}${name}`;
    return {
      file: `${file}/${path}`,
      stem: stemOf(name),
      load: async () => decode(unzipSync(bytes, { filter: (entry) => entry.name === path })[path]!),
    };
  });
  return imageSource(stemOf(file), entries, { ...options, digest: () => bytesDigest(bytes) });
}
