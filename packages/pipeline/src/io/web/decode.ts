import { type InputVideoTrack, VideoSampleSink } from 'mediabunny';
import type { Decoded } from '../decoded.js';

/** Decodes a video track with WebCodecs from `from` (seconds) on, in presentation order. A packet that is bad ends the iteration with an error. */
export async function* decodeTrack(track: InputVideoTrack, from: number): AsyncGenerator<Decoded, void, undefined> {
  for await (const sample of new VideoSampleSink(track).samples(from)) yield { sample };
}
