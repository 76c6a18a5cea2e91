import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FilePathSource } from 'mediabunny';
import { openBlobImages } from '../blob-images.js';
import { openBlobVideo } from '../blob-video.js';
import { SourceError } from '../errors.js';
import type { FrameSource } from '../frame-source.js';
import { IMAGE_EXTENSION, type ImageEntry, imageFiles, imageSource, stemOf } from '../image-source.js';
import type { OpenSourceOptions, SourceInput } from '../source-input.js';
import { type VideoSource, videoSource } from '../video-source.js';
import { isZip, zipImages } from '../zip-images.js';
import { prepareCodecs } from './codecs.js';
import { decodeTrack } from './decode.js';
import { decodeImage, readBinary } from './read.js';

const isFolder = async (path: string) =>
  stat(path).then(
    (s) => s.isDirectory(),
    () => false,
  );

const fileEntry = (file: string): ImageEntry => ({
  file,
  stem: stemOf(file),
  load: async () => decodeImage(await readBinary(file)),
});

/**
 * A folder of images in natural order. A folder `…/JPEGImages/<resolution>/<sequence>` of a DAVIS tree also gets its `annotations`.
 * Throws `SourceError` (`not-found`, `unreadable`, `no-frames`, `unsupported`) and `FrameError` for a damaged first image.
 */
export async function openImageFolder(folder: string, { fps }: { fps?: number } = {}): Promise<FrameSource> {
  const path = resolve(folder);
  let names: string[];
  try {
    names = await readdir(path);
  } catch (cause) {
    throw statError(folder, cause);
  }
  const [sequence, resolution, kind, root] = [
    basename(path),
    basename(dirname(path)),
    basename(resolve(path, '../..')),
    resolve(path, '../../..'),
  ];
  const annotations = join(root, 'Annotations', resolution, sequence);
  const hasAnnotations = kind === 'JPEGImages' && (await isFolder(annotations));
  const entries = imageFiles(names).map((name) => fileEntry(join(folder, name)));
  return imageSource(sequence, entries, { fps, annotations: hasAnnotations ? annotations : undefined });
}

/** A sequence of a DAVIS tree, `<root>/JPEGImages/<resolution>/<sequence>`. Throws as `openImageFolder`. */
export async function openDavisSequence(
  root: string,
  sequence: string,
  { resolution = '480p', fps }: { resolution?: string; fps?: number } = {},
): Promise<FrameSource> {
  return openImageFolder(join(root, 'JPEGImages', resolution, sequence), { fps });
}

/** A video: a file on disk, or a Blob. Throws `SourceError`: `not-found`, `unreadable`, `unsupported`, `no-frames`. */
export async function openVideo(input: string | Blob): Promise<VideoSource> {
  if (typeof input === 'string') {
    await stat(input).catch((cause) => {
      throw statError(input, cause);
    });
  }
  await prepareCodecs();
  if (typeof input !== 'string') return openBlobVideo(input, decodeTrack);
  const source = new FilePathSource(input, { handleUnhandledError: () => {} });
  return videoSource(
    input,
    stemOf(input),
    { source, readAt: (offset, length) => readAt(input, offset, length) },
    decodeTrack,
  );
}

async function readAt(file: string, offset: number, length: number): Promise<Uint8Array> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset);
    return bytes.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function statError(path: string, cause: unknown): SourceError {
  const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  return new SourceError(
    missing ? 'not-found' : 'unreadable',
    path,
    missing ? 'no such file or folder' : (cause as Error).message,
    { cause },
  );
}

async function openDavisRoot(
  root: string,
  { sequence, resolution = '480p', fps }: OpenSourceOptions,
): Promise<FrameSource> {
  const folder = join(root, 'JPEGImages', resolution);
  if (!(await isFolder(folder)))
    throw new SourceError('not-found', root, `a DAVIS folder without JPEGImages/${resolution}`);
  if (sequence) return openDavisSequence(root, sequence, { resolution, fps });
  const sequences = (await readdir(folder)).sort().join(', ');
  throw new SourceError('bad-option', 'sequence', `${root} is a DAVIS folder; say which sequence: ${sequences}`);
}

/**
 * Opens whatever the input is: a video file, one image, a folder or a zip of images, a DAVIS folder (with `sequence`), a Blob, or a list of image files.
 * Throws `SourceError`; `FrameError` if a sequence's first image is damaged.
 */
export async function openSource(input: SourceInput, options: OpenSourceOptions = {}): Promise<FrameSource> {
  if (typeof input !== 'string') {
    if (!(input instanceof Blob)) return openBlobImages(input, decodeImage, options);
    if (input instanceof File && isZip(input.name))
      return zipImages(input.name, await readBinary(input), decodeImage, options);
    if (input instanceof File && IMAGE_EXTENSION.test(input.name)) return openBlobImages([input], decodeImage, options);
    return openVideo(input);
  }
  if (await isFolder(input)) {
    if (await isFolder(join(input, 'JPEGImages'))) return openDavisRoot(input, options);
    return openImageFolder(input, options);
  }
  if (isZip(input) || IMAGE_EXTENSION.test(input)) {
    await stat(input).catch((cause) => {
      throw statError(input, cause);
    });
    if (isZip(input)) return zipImages(input, await readBinary(input), decodeImage, options);
    return imageSource(stemOf(input), [fileEntry(input)], options);
  }
  return openVideo(input);
}
