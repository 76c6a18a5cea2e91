import { openBlobVideo } from '../blob-video.js';
import { SourceError } from '../errors.js';
import type { OpenedSource } from '../frame-source.js';
import { givenFiles, isRemote } from '../given.js';
import { openGiven } from '../open-given.js';
import { checkSourceOptions, type OpenSourceOptions, type SourceInput } from '../source-input.js';
import type { VideoSource } from '../video-source.js';
import { decodeTrack } from './decode.js';
import { decodeImage } from './read.js';

const noPaths = (path: string): never => {
  throw new SourceError(
    'unsupported',
    path,
    'a browser cannot open a path; pass a URL, a File, a Blob, bytes or a list of image files',
  );
};

/** Folders by path exist in Node only; hand the folder's files to `openSource`. Throws `SourceError`. */
export async function openImageFolder(folder: string, _options: { fps?: number } = {}): Promise<OpenedSource> {
  return noPaths(folder);
}

/** Folders by path exist in Node only. Throws `SourceError`. */
export async function openDavisSequence(
  root: string,
  _sequence: string,
  _options: { resolution?: string; fps?: number } = {},
): Promise<OpenedSource> {
  return noPaths(root);
}

/** A video in a Blob or File. Throws `SourceError`: `unreadable`, `unsupported`, `no-frames`. */
export async function openVideo(file: string | Blob): Promise<VideoSource> {
  if (typeof file === 'string') return noPaths(file);
  return openBlobVideo(file, decodeTrack);
}

/** Opens a video file, one image file, a zip of images, by URL, Blob or bytes; or the files of an image folder. Throws as the Node twin does. */
export async function openSource(input: SourceInput, options: OpenSourceOptions = {}): Promise<OpenedSource> {
  checkSourceOptions(options);
  if (typeof input === 'string' && !isRemote(input)) return noPaths(input);
  return openGiven(await givenFiles(input), { decodeImage, openVideo }, options);
}
