import { type InputVideoTrack, VideoSampleSink } from 'mediabunny';
import type { Decoded } from '../decoded.js';

/**
 * Decodes a video track with WebCodecs from `from` (seconds) on, in presentation order. A packet that is bad ends the iteration with an error.
 *
 * The colour system is the container's. A decoded frame's own is of no use: for untagged video mediabunny tells Chromium BT.709.
 */
export async function* decodeTrack(track: InputVideoTrack, from: number): AsyncGenerator<Decoded, void, undefined> {
  const colour = await track.getColorSpace();
  for await (const sample of new VideoSampleSink(track).samples(from)) yield { sample, colour };
}
