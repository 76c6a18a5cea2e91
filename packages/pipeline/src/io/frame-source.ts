import type { RunInput } from './run-inputs.js';

/** One decoded frame, as a viewer sees it: rotated upright, square pixels. */
export interface Frame {
  /** 0-based position in presentation order. */
  index: number;
  /** Presentation time in seconds: the container's time stamp for videos, `index / fps` for images. */
  time: number;
  /** How long the frame is shown, in seconds, where the container says so. */
  duration?: number;
  /** The image file's stem (`00005` for `00005.jpg`), or the index with five digits for videos. Output files take this name. */
  name: string;
  width: number;
  height: number;
  /** RGBA, 4 bytes a pixel, rows from the top, not premultiplied. Belongs to the receiver. */
  rgba: Uint8Array;
}

/** Which frames to deliver. */
export interface FrameRange {
  /** First frame index, inclusive; 0 if left out. */
  from?: number | undefined;
  /** Last frame index, exclusive; the end if left out. */
  to?: number | undefined;
  /** Stops the iteration: it throws the signal's reason before the next frame. */
  signal?: AbortSignal | undefined;
}

/**
 * A video, an image folder, or anything else that yields frames in presentation order.
 *
 * Frames are streamed: a source decodes a few frames ahead of its reader and never holds the whole video.
 * It may be iterated several times, and by several readers at once. Iterating throws `FrameError` at the first bad frame.
 */
export interface FrameSource extends AsyncIterable<Frame> {
  readonly kind: 'images' | 'video' | 'live';
  /** The file's or folder's own name without extension, for output names and messages. */
  readonly name: string;
  /** Size in pixels of every frame delivered. */
  readonly width: number;
  readonly height: number;
  /** Number of frames, if it is known without decoding. */
  readonly frameCount?: number;
  /** Mean frames per second; undefined for a single frame. Frame times may be irregular: see `Frame.time`. */
  readonly fps?: number;
  /** The folder with one mask a frame, if the source is a DAVIS sequence that has one. */
  readonly annotations?: string;
  /** Names of all frames, where they are known without decoding. */
  readonly frameNames?: readonly string[];
  /** What is read, so that results can be kept from it. */
  readonly inputs?: readonly RunInput[];
  /** What is different from what one might expect of the source, for people to read. It may grow while frames are read. */
  readonly notes?: readonly string[];
  /** By what the content is known again, whatever its name: see `contentDigest`. Missing where there is nothing to read twice. */
  digest?(): Promise<string>;
  frames(range?: FrameRange): AsyncIterable<Frame>;
  /** Frees decoders and file handles; iterations under way end with a `SourceError`. Idempotent. */
  close(): Promise<void>;
}

/** A source that was opened here: `await using` closes it. */
export interface OpenedSource extends FrameSource {
  /** `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Frames decoded beyond the one its reader holds. */
export const DECODE_AHEAD = 4;
