import { openBlobImages } from '../blob-images.js';
import { openBlobVideo } from '../blob-video.js';
import { SourceError } from '../errors.js';
import type { FrameSource } from '../frame-source.js';
import { IMAGE_EXTENSION } from '../image-source.js';
import type { OpenSourceOptions, SourceInput } from '../source-input.js';
import type { VideoSource } from '../video-source.js';
import { isZip, zipImages } from '../zip-images.js';
import { decodeTrack } from './decode.js';
import { decodeImage, readBinary } from './read.js';

const noPaths = (path: string): never => {
  throw new SourceError(
    'unsupported',
    path,
    'a browser cannot open a path; pass a File, a Blob or a list of image files',
  );
};

/** Folders by path exist in Node only; hand the folder's files to `openSource`. Throws `SourceError`. */
export async function openImageFolder(folder: string, _options: { fps?: number } = {}): Promise<FrameSource> {
  return noPaths(folder);
}

/** Folders by path exist in Node only. Throws `SourceError`. */
export async function openDavisSequence(
  root: string,
  _sequence: string,
  _options: { resolution?: string; fps?: number } = {},
): Promise<FrameSource> {
  return noPaths(root);
}

/** A video in a Blob or File. Throws `SourceError`: `unreadable`, `unsupported`, `no-frames`. */
export async function openVideo(file: string | Blob): Promise<VideoSource> {
  if (typeof file === 'string') return noPaths(file);
  return openBlobVideo(file, decodeTrack);
}

/** Opens a video file, one image file, a zip of images, or the files of an image folder. Throws as the Node twin does. */
export async function openSource(input: SourceInput, options: OpenSourceOptions = {}): Promise<FrameSource> {
  if (typeof input === 'string') return noPaths(input);
  if (!(input instanceof Blob)) return openBlobImages(input, decodeImage, options);
  if (input instanceof File && isZip(input.name))
    return zipImages(input.name, await readBinary(input), decodeImage, options);
  if (input instanceof File && IMAGE_EXTENSION.test(input.name)) return openBlobImages([input], decodeImage, options);
  return openVideo(input);
}
