import { getEngine, type OpSet } from '@samtrack/kernels';
import { tidy } from '@tensorflow/tfjs-core';
import { type Checkpoint, proceduralTensor, WeightReader } from '../checkpoint/index.js';
import type { PixelImage } from '../image/index.js';
import type { SamImageEncoder } from '../sam/image-encoder.js';
import { loadImageEncoder } from '../sam/load-encoder.js';
import { preprocessImage } from '../sam/transforms.js';
import { compareTap, FEATURE_LIMIT, type TapResult, VerificationError } from './taps.js';

/** Seed of the drawn image that taps without pixels were computed from. */
const DRAWN_IMAGE_SEED = 17;

/** Names of our intermediate results by those of the taps, and whether the tap has its channels before rows and columns. */
const TAPS: readonly [tap: RegExp, name: string, channelsFirst: boolean][] = [
  [/^enc\.(patch_pos|block\d+)$/, '$1', false],
  [/^(stage\d+)_sub$/, '$1', false],
  [/^(patch_embed)_sub$/, '$1', true],
  [/^enc\.(out)(?:_sub)?$/, '$1', true],
];

/** Options of the verification of an encoder. */
export interface VerifyEncoderOptions {
  /** The operations to build on; the hand-written kernels by default. */
  ops?: OpSet | undefined;
}

/**
 * Loads the image encoder of a Segment Anything golden with its procedural weights, runs it over the stored image and
 * compares every stored intermediate and the embedding with ours.
 *
 * @param manifest The weights' recipe; a checkpoint with real weights works as well.
 * @param taps Safetensors file with `image.rgb_u8`, or without it where the image is the drawn one.
 * @throws VerificationError when the taps hold nothing of an encoder.
 */
export async function verifySamEncoder(
  manifest: Checkpoint,
  taps: Checkpoint,
  { ops = getEngine().ops }: VerifyEncoderOptions = {},
): Promise<TapResult[]> {
  const weights = new WeightReader(manifest);
  try {
    return await compareEncoderTaps(await loadImageEncoder(weights, ops), taps);
  } finally {
    weights.handOver().dispose();
  }
}

/** The same with an encoder that is loaded already. */
export async function compareEncoderTaps(encoder: SamImageEncoder, taps: Checkpoint): Promise<TapResult[]> {
  const wanted = new Map<string, { key: string; channelsFirst: boolean }>();
  for (const key of taps.keys) {
    const [pattern, name, channelsFirst] = TAPS.find(([tap]) => tap.test(key)) ?? [];
    if (pattern) wanted.set(key.replace(pattern, name!), { key, channelsFirst: channelsFirst! });
  }
  if (!wanted.has('out')) throw new VerificationError(`${taps.file} has no tap of an image encoder's output.`);
  const image = await goldenImage(taps, encoder.imageSize);
  const copies: { key: string; channelsFirst: boolean; shape: number[]; data: Promise<ArrayBuffer> }[] = [];
  tidy(() => {
    const observe = (name: string, tensor: Parameters<NonNullable<Parameters<SamImageEncoder['encode']>[1]>>[1]) => {
      const tap = wanted.get(name);
      if (tap) copies.push({ ...tap, shape: tensor.shape, data: getEngine().read(tensor) });
    };
    observe('out', encoder.encode(preprocessImage(image, encoder.imageSize), observe));
  });
  const results: TapResult[] = [];
  for (const { key, channelsFirst, shape, data } of copies) {
    const reference = await taps.read(key);
    const actual = sample(new Float32Array(await data), shape, reference.shape, channelsFirst);
    results.push(compareTap(key, actual, reference.data, FEATURE_LIMIT));
  }
  return results;
}

/**
 * The values of ours that a tap holds: each axis of the tap may be every n-th position, in the order of its axes.
 *
 * @param shape Of `data`, channels last; rows and columns may be one axis, and there may be a batch of one.
 * @param wanted Shape of the tap: [1, C, h, w] with `channelsFirst`, else [1, h, w, C] or [1, T, C].
 */
function sample(
  data: Float32Array,
  shape: readonly number[],
  wanted: readonly number[],
  channelsFirst: boolean,
): Float32Array {
  const channels = shape.at(-1)!;
  const positions = data.length / channels;
  const rows = wanted.length === 4 ? Math.sqrt(positions) : positions;
  const columns = positions / rows;
  const axes = [
    { size: rows, stride: columns * channels },
    { size: columns, stride: channels },
    { size: channels, stride: 1 },
  ].filter(({ stride }, i) => !(wanted.length === 3 && i === 1 && stride === channels));
  if (channelsFirst) axes.unshift(axes.pop()!);
  let offsets = [0];
  for (const [i, { size, stride }] of axes.entries()) {
    const count = wanted[i + 1]!;
    const step = Math.ceil(size / count);
    offsets = offsets.flatMap((offset) => Array.from({ length: count }, (_, k) => offset + k * step * stride));
  }
  return Float32Array.from(offsets, (offset) => data[offset]!);
}

/** The stored image, or the drawn one: waves of a colour and its own frequency each, and noise. */
async function goldenImage(taps: Checkpoint, side: number): Promise<PixelImage> {
  const key = 'image.rgb_u8';
  if (taps.has(key)) {
    const { data, shape } = await taps.readRaw(key);
    const [height, width] = shape as [number, number, number];
    return { width, height, data };
  }
  const seed = DRAWN_IMAGE_SEED;
  const noise = proceduralTensor('noise', [side, side, 3], 0.5, 0, seed);
  const data = new Uint8Array(noise.length);
  for (let i = 0; i < data.length; i++) {
    const c = i % 3;
    const x = Math.floor(i / 3) % side;
    const y = Math.floor(i / 3 / side);
    const waves = 60 * Math.sin(x / (9 + 4 * c) + seed) + 50 * Math.cos(y / (13 - 2 * c) + seed / 2);
    data[i] = Math.min(255, Math.max(0, roundHalfToEven(110 + waves + 40 * noise[i]!)));
  }
  return { width: side, height: side, data };
}

function roundHalfToEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}
