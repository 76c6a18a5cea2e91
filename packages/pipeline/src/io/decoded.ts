import type { InputVideoTrack, VideoSample } from 'mediabunny';
import type { YuvColour } from './yuv.js';

/**
 * What decoding a track yields: a picture and what is known of its colours, or the presentation time (seconds) of a packet that could not
 * be decoded. Of a damaged picture the decoder has made up a part.
 */
export type Decoded =
  | { sample: VideoSample; colour: YuvColour; isDamaged?: boolean }
  | { badTime: number; cause: unknown };

/** Decodes a track in presentation order, from the key frame before `from` (seconds) on. */
export type DecodeTrack = (track: InputVideoTrack, from: number) => AsyncGenerator<Decoded, void, undefined>;
