import { BlobSource } from 'mediabunny';
import { blobDigest } from './content-digest.js';
import type { DecodeTrack } from './decoded.js';
import { stemOf } from './image-source.js';
import { type VideoSource, videoSource } from './video-source.js';

/** A video in a Blob or File. Throws as `videoSource`. */
export function openBlobVideo(blob: Blob, decode: DecodeTrack): Promise<VideoSource> {
  const name = (blob as File).name ?? 'video';
  const readAt = async (offset: number, length: number) =>
    new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
  return videoSource(
    name,
    stemOf(name),
    { source: new BlobSource(blob), size: blob.size, readAt, digest: () => blobDigest(blob) },
    decode,
  );
}
