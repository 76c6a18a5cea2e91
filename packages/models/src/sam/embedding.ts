import { getEngine } from '@samtrack/kernels';
import { fnv1a } from '@samtrack/kernels/common';
import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import { SamError } from './error.js';
import type { ImageSize } from './transforms.js';

/** What the encoder made of an image, and what became of the image before. */
export interface SamEmbedding {
  /** float32, of the shapes that the model says: for Segment Anything one, [side^2, 256]. */
  features: readonly Tensor[];
  /** The image as it was given. */
  originalSize: ImageSize;
  /** The part of the frame that it fills. */
  inputSize: ImageSize;
}

/** Which model an embedding belongs to. */
export interface EmbeddingOwner {
  /** Positions along a side of the embedding. */
  readonly side: number;
  /** Identifies the weights. */
  readonly fingerprint: string;
  /** Shapes of an embedding's features. */
  readonly featureShapes: readonly (readonly number[])[];
}

const MAGIC = 'SAMEMBED';
const VERSION = 1;
/** Magic, version and length of the description. */
const PREFIX_BYTES = MAGIC.length + 8;

/** A hash of 32-bit words. */
export function fingerprint(parts: readonly Float32Array[]): string {
  let hash = fnv1a([]);
  for (const { buffer, byteOffset, length } of parts) hash = fnv1a(new Uint32Array(buffer, byteOffset, length), hash);
  return hash.toString(16).padStart(8, '0');
}

/**
 * An embedding as bytes: magic, version, a description in JSON padded to whole words, and float32 values, all little-endian.
 * The description names the weights and has a checksum of the values.
 */
export async function saveEmbedding(embedding: SamEmbedding, owner: EmbeddingOwner): Promise<Uint8Array<ArrayBuffer>> {
  const parts = await Promise.all(embedding.features.map((part) => getEngine().read(part)));
  const values = concat(parts.map((part) => new Float32Array(part)));
  const { originalSize, inputSize } = embedding;
  const { side, fingerprint: weights } = owner;
  const description = { side, fingerprint: weights, originalSize, inputSize, checksum: fingerprint([values]) };
  const text = new TextEncoder().encode(JSON.stringify(description));
  const padded = Math.ceil(text.length / 4) * 4;
  const out = new Uint8Array(PREFIX_BYTES + padded + values.byteLength);
  out.set(new TextEncoder().encode(MAGIC));
  const view = new DataView(out.buffer);
  view.setUint32(MAGIC.length, VERSION, true);
  view.setUint32(MAGIC.length + 4, padded, true);
  out.fill(0x20, PREFIX_BYTES, PREFIX_BYTES + padded);
  out.set(text, PREFIX_BYTES);
  out.set(new Uint8Array(values.buffer), PREFIX_BYTES + padded);
  return out;
}

const bad = (message: string) => new SamError('embedding', `This is no embedding for this model: ${message}.`);

const isSize = (size: unknown): size is ImageSize => {
  const { height, width } = (size ?? {}) as ImageSize;
  return [height, width].every((side) => Number.isSafeInteger(side) && side > 0);
};

/**
 * Reads what `saveEmbedding` wrote.
 * @throws SamError `embedding` for other bytes, damaged ones, or those of other weights.
 */
export function loadEmbedding(bytes: Uint8Array, owner: EmbeddingOwner): SamEmbedding {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < PREFIX_BYTES || new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) {
    throw bad('the bytes do not begin like one');
  }
  const version = view.getUint32(MAGIC.length, true);
  if (version !== VERSION) throw bad(`it has version ${version}, this one reads ${VERSION}`);
  const start = PREFIX_BYTES + view.getUint32(MAGIC.length + 4, true);
  let description: Partial<EmbeddingOwner & SamEmbedding & { checksum: string }>;
  try {
    description = JSON.parse(new TextDecoder().decode(bytes.subarray(PREFIX_BYTES, start)));
  } catch {
    throw bad('its description cannot be read');
  }
  const { originalSize, inputSize } = description;
  if (description.fingerprint !== owner.fingerprint || description.side !== owner.side) {
    throw bad(
      `it was made with the weights ${description.fingerprint} of side ${description.side}, ` +
        `these are ${owner.fingerprint} of side ${owner.side}`,
    );
  }
  if (!isSize(originalSize) || !isSize(inputSize)) throw bad('its sizes are missing');
  const sizes = owner.featureShapes.map((shape) => shape.reduce((product, side) => product * side, 1));
  const length = sizes.reduce((sum, size) => sum + size, 0);
  if (bytes.length !== start + 4 * length) {
    throw bad(`it has ${bytes.length - start} bytes of values, not ${4 * length}`);
  }
  const values = new Float32Array(length);
  new Uint8Array(values.buffer).set(bytes.subarray(start));
  if (fingerprint([values]) !== description.checksum) throw bad('its values are damaged');
  let at = 0;
  const features = owner.featureShapes.map((shape, i) => {
    at += sizes[i]!;
    return tensor(values.slice(at - sizes[i]!, at), [...shape]);
  });
  return { features, originalSize, inputSize };
}

/** One array after the other. */
export function concat(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const out = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
