import { hasPngSignature } from 'fast-png';
import { decodeImage, readBinary } from '#platform';
import { MaskError } from './errors.js';
import { emptyLabelMap, type LabelMap, maxLabelId, resizeLabelMap } from './label-map.js';
import { palette } from './palette.js';
import { decodePngSamples, type PngSamples } from './palette-png.js';
import type { BinarySource } from './source-input.js';

export interface ReadMaskOptions {
  /** Size of the frames in pixels; a mask of another size is refused unless `resize` says otherwise. */
  width?: number;
  height?: number;
  /** `error` (default), or `nearest`: bring the mask to the frame's size without interpolation. */
  resize?: 'error' | 'nearest';
  /** Accept a mask of background only. Default false. */
  allowEmpty?: boolean;
  /** For messages, where the mask is not a file. */
  name?: string;
}

/** Colours a colour mask may have; more means that it is a photo, or was saved with lossy compression. */
const MAX_MASK_COLOURS = 255;

/** How often each value occurs. Neighbours are mostly equal, so runs are counted first. */
function histogram(values: ArrayLike<number>): Map<number, number> {
  const counts = new Map<number, number>();
  for (let start = 0; start < values.length; ) {
    const value = values[start]!;
    let end = start + 1;
    while (end < values.length && values[end] === value) end++;
    counts.set(value, (counts.get(value) ?? 0) + end - start);
    start = end;
  }
  return counts;
}

/**
 * What single-channel values mean.
 * Only 0 and the largest value: a binary mask, id 1. 255 beside other ids: void (DAVIS, VOC), background, unless 254 shows that ids go that far.
 * Many levels between a dominant black and white: a binary mask with soft edges, cut in the middle.
 */
function idsFromValues(
  data: ArrayLike<number>,
  stride: number,
  count: number,
  depth: number,
  soft: boolean,
): Uint16Array {
  const ids = new Uint16Array(count);
  for (let i = 0; i < count; i++) ids[i] = data[i * stride]!;
  const counts = histogram(ids);
  const largest = depth === 16 ? 65535 : 255;
  const objects = [...counts.keys()].filter((value) => value !== 0);
  if (objects.length === 1 && objects[0] === largest && depth >= 8) return ids.map((id) => (id ? 1 : 0));
  const black = counts.get(0) ?? 0;
  const white = counts.get(largest) ?? 0;
  if (soft && objects.length > 64 && white > count - black - white && black + white > 0.8 * count) {
    return ids.map((id) => (id > largest / 2 ? 1 : 0));
  }
  if (depth === 8 && counts.has(255) && !counts.has(254)) return ids.map((id) => (id === 255 ? 0 : id));
  return ids;
}

/** Ids of the known palettes by colour, so that a palette mask saved as RGB keeps its ids. */
function paletteLookup(name: 'voc' | 'davis'): Map<number, number> {
  const colours = palette(name);
  const byColour = new Map<number, number>();
  for (let id = 255; id >= 0; id--) {
    byColour.set((colours[3 * id]! << 16) | (colours[3 * id + 1]! << 8) | colours[3 * id + 2]!, id);
  }
  return byColour;
}

/** Interleaved colour samples to ids; see `readMask` for the rules. */
function idsFromColours({ width, height, channels, depth, data }: PngSamples, name: string): Uint16Array {
  const count = width * height;
  const shift = depth === 16 ? 8 : 0;
  const packed = new Uint32Array(count);
  let grey = true;
  for (let i = 0; i < count; i++) {
    const at = i * channels;
    if (channels === 4 && data[at + 3]! >> shift < 128) continue;
    const r = data[at]! >> shift;
    const g = data[at + 1]! >> shift;
    const b = data[at + 2]! >> shift;
    if (r !== g || g !== b) grey = false;
    packed[i] = (r << 16) | (g << 8) | b;
  }
  if (grey) {
    const values = packed.map((colour) => colour & 255);
    return idsFromValues(values, 1, count, 8, true);
  }
  const colours = [...histogram(packed).keys()].filter((colour) => colour !== 0).sort((a, b) => a - b);
  if (colours.length > MAX_MASK_COLOURS) {
    throw new MaskError(
      'unsupported',
      name,
      `${colours.length} different colours: this is a picture or a lossy copy of a mask, not a label mask (at most ${MAX_MASK_COLOURS})`,
    );
  }
  const known = (['voc', 'davis'] as const)
    .map(paletteLookup)
    .find((byColour) => colours.every((colour) => byColour.has(colour)));
  const idOf = known ?? new Map(colours.map((colour, i) => [colour, i + 1]));
  return Uint16Array.from(packed, (colour) => (colour === 0 ? 0 : idOf.get(colour)!));
}

/** Label map of decoded mask samples, by the rules of `readMask`. */
function labelMapFromSamples(samples: PngSamples, name: string): LabelMap {
  const map = emptyLabelMap(samples.width, samples.height);
  map.data =
    samples.kind === 'colour'
      ? idsFromColours(samples, name)
      : idsFromValues(samples.data, samples.channels, map.data.length, samples.depth, samples.kind === 'grey');
  return map;
}

/**
 * Checks a label map against the frames it is for, and resizes it where that is allowed.
 * Throws `MaskError`: `size-mismatch`, `no-objects`.
 */
export function fitMask(map: LabelMap, name: string, options: ReadMaskOptions): LabelMap {
  const { width = map.width, height = map.height, resize = 'error', allowEmpty = false } = options;
  let fitted = map;
  if (map.width !== width || map.height !== height) {
    if (resize === 'error') {
      throw new MaskError(
        'size-mismatch',
        name,
        `the mask has ${map.width}x${map.height} pixels, the frames have ${width}x${height}`,
      );
    }
    fitted = resizeLabelMap(map, width, height);
  }
  if (!allowEmpty && maxLabelId(fitted) === 0) {
    throw new MaskError('no-objects', name, 'the mask has no objects, only background');
  }
  return fitted;
}

/**
 * Reads a first-frame mask.
 *
 * - Indexed PNG (1, 2, 4, 8 bits): the palette index is the id.
 * - Grey PNG (1, 2, 4, 8, 16 bits): the value is the id.
 * - Either of them with only 0 and 255 (16 bits: 65535): one object, id 1, as in DAVIS-2016.
 * - 8 bits, 255 beside other ids: 255 is void (DAVIS, VOC) and becomes background, unless 254 occurs too.
 * - Grey with soft edges (more than 64 levels, white covers more than they do, black and white over 80 %): cut at the middle, id 1.
 * - Colour PNG: black, and alpha below one half, are background. If every colour is one of the VOC or DAVIS palette, the id is its
 *   index there; else ids 1, 2, ... go to the colours in ascending 0xRRGGBB order. Above 255 colours it is refused.
 * - Other formats (JPEG, WebP, BMP) are decoded to RGBA and read as a colour PNG.
 *
 * Throws `MaskError`: `not-found`, `unreadable`, `unsupported`, `size-mismatch`, `no-objects`.
 * @param source a path (Node), a Blob, or the file's bytes
 */
export async function readMask(source: BinarySource, options: ReadMaskOptions = {}): Promise<LabelMap> {
  const name =
    options.name ??
    (typeof source === 'string' ? source : source instanceof Uint8Array ? 'mask' : ((source as File).name ?? 'mask'));
  let bytes: Uint8Array;
  try {
    bytes = await readBinary(source);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new MaskError(
      missing ? 'not-found' : 'unreadable',
      name,
      missing ? 'no such file' : (cause as Error).message,
      { cause },
    );
  }
  if (bytes.length > 8 && hasPngSignature(bytes)) {
    return fitMask(labelMapFromSamples(decodePngSamples(bytes, name), name), name, options);
  }
  let image: Awaited<ReturnType<typeof decodeImage>>;
  try {
    image = await decodeImage(bytes);
  } catch (cause) {
    throw new MaskError('unreadable', name, `not a readable image (${(cause as Error).message})`, { cause });
  }
  const samples: PngSamples = {
    width: image.width,
    height: image.height,
    kind: 'colour',
    channels: 4,
    depth: 8,
    data: image.rgba,
  };
  return fitMask(labelMapFromSamples(samples, name), name, options);
}
