import { SourceError } from './errors.js';
import { checkOptions, FRAME_RATE, type KnownOptions, LIST, TEXT } from './known-options.js';

/**
 * What frames can be read from: a path (Node), a URL, a video's, image's or zip archive's Blob, File or bytes, or the files of an image
 * folder. A URL, as an object or a string that begins with its scheme, is fetched whole; Blobs and bytes are known by their first bytes.
 */
export type SourceInput = string | URL | Blob | Uint8Array | ArrayBuffer | readonly File[];

/** What single files can be read from: a path (Node), a URL, a Blob or File, or the bytes themselves. */
export type BinarySource = string | URL | Blob | Uint8Array | ArrayBuffer;

/** Options of `openSource`. */
export interface OpenSourceOptions {
  /** Frames per second of an image folder; default 24. Videos carry their own times. */
  fps?: number | undefined;
  /** Sequence to open where the input is a DAVIS root folder. */
  sequence?: string | undefined;
  /** Files (Node) that are no frames though they lie in the folder of images, such as a mask. */
  exclude?: readonly string[] | undefined;
  /** Resolution folder of a DAVIS root; default `480p`. */
  resolution?: string | undefined;
}

const OPTIONS: KnownOptions<OpenSourceOptions> = { fps: FRAME_RATE, sequence: TEXT, exclude: LIST, resolution: TEXT };

/** @throws SourceError `bad-option` */
export const checkSourceOptions = (options: OpenSourceOptions): void =>
  checkOptions('openSource', options, OPTIONS, (message) => new SourceError('bad-option', 'openSource', message));
