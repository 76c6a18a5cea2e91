import type { InputVideoTrack, VideoSample } from 'mediabunny';

/** What decoding a track yields: a picture, or the presentation time (seconds) of a packet that could not be decoded. */
export type Decoded = { sample: VideoSample } | { badTime: number; cause: unknown };

/** Decodes a track in presentation order, from the key frame before `from` (seconds) on. */
export type DecodeTrack = (track: InputVideoTrack, from: number) => AsyncGenerator<Decoded, void, undefined>;
