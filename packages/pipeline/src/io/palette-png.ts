import { decode, encode } from 'fast-png';
import { MaskError } from './errors.js';
import { emptyLabelMap, type LabelMap, maxLabelId } from './label-map.js';
import { type Palette, type PaletteName, palette } from './palette.js';

/** Options of `encodeLabelPng`. */
export interface LabelPngOptions {
  /**
   * 8 writes an indexed PNG and refuses ids above 255; 16 writes a grey PNG whose values are the ids; `auto` takes 8 where it fits.
   * Default `auto`.
   */
  bits?: 8 | 16 | 'auto' | undefined;
  /** Colours of the 8-bit form. Default `voc`. */
  palette?: PaletteName | Palette | undefined;
}

const paletteEntries = new WeakMap<Palette, number[][]>();

/** The palette as fast-png wants it; built once, since writers ask for it every frame. */
function entriesOf(colours: Palette): number[][] {
  let entries = paletteEntries.get(colours);
  if (!entries) {
    entries = Array.from({ length: 256 }, (_, id) => [...colours.subarray(3 * id, 3 * id + 3)]);
    paletteEntries.set(colours, entries);
  }
  return entries;
}

/**
 * A label map as PNG: pixel value = object id.
 *
 * The 8-bit form is what DAVIS, YouTube-VOS and PIL (mode `P`) expect: colour type 3, 8 bits, all 256 palette entries.
 * Throws `MaskError` (`too-many-objects`) where 8 bits are asked for and an id is above 255: ids are never truncated.
 * @param name used in the error message
 */
export function encodeLabelPng(map: LabelMap, options: LabelPngOptions = {}, name = 'label map'): Uint8Array {
  const { bits = 'auto', palette: colours = 'voc' } = options;
  const max = maxLabelId(map);
  if (bits === 8 && max > 255) {
    throw new MaskError(
      'too-many-objects',
      name,
      `object id ${max} does not fit an 8-bit palette PNG (255 ids at most); ask for 16 bits or for automatic depth`,
    );
  }
  const { width, height } = map;
  if (bits === 16 || max > 255) return encode({ width, height, channels: 1, depth: 16, data: map.data });
  return encode({
    width,
    height,
    channels: 1,
    depth: 8,
    data: Uint8Array.from(map.data),
    palette: entriesOf(typeof colours === 'string' ? palette(colours) : colours),
  });
}

/** PNG samples as stored: palette indices, grey values, or interleaved colour channels, one array element a sample. */
export interface PngSamples {
  width: number;
  height: number;
  kind: 'palette' | 'grey' | 'colour';
  channels: number;
  /** Bits a sample in the file: 1, 2, 4, 8 or 16. */
  depth: number;
  data: Uint8Array | Uint16Array;
  /** Red, green, blue, and alpha where the file has it, of each index. */
  palette?: readonly (readonly number[])[];
  /** The grey value or colour that stands for transparency. */
  transparency?: ArrayLike<number>;
}

/** One element a sample, from rows of bit-packed samples that each start at a byte. */
function unpackBits(packed: ArrayLike<number>, width: number, height: number, depth: number): Uint8Array {
  const out = new Uint8Array(width * height);
  const rowBytes = Math.ceil((width * depth) / 8);
  const mask = (1 << depth) - 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = packed[y * rowBytes + (bit >> 3)]!;
      out[y * width + x] = (byte >> (8 - depth - (bit & 7))) & mask;
    }
  }
  return out;
}

/** Offset of the interlace method from the start of a PNG file: the last byte of IHDR. */
const INTERLACE_BYTE = 28;

/**
 * Reads a PNG without turning indices into colours. Chunk checksums are verified.
 * Throws `MaskError` (`unreadable`, or `unsupported` for interlaced PNGs below 8 bits).
 * @param name file name for messages
 */
export function decodePngSamples(bytes: Uint8Array, name: string): PngSamples {
  let png: ReturnType<typeof decode>;
  try {
    png = decode(bytes, { checkCrc: true });
  } catch (cause) {
    throw new MaskError('unreadable', name, `not a readable PNG (${(cause as Error).message})`, { cause });
  }
  const { width, height, channels, depth } = png;
  if (depth < 8 && bytes[INTERLACE_BYTE] !== 0) {
    throw new MaskError('unsupported', name, `an interlaced ${depth}-bit PNG; save it without interlacing`);
  }
  const expected = depth < 8 ? Math.ceil((width * depth) / 8) * height : width * height * channels;
  if (!png.data || png.data.length !== expected) {
    throw new MaskError('unreadable', name, 'the PNG holds fewer pixels than its header says');
  }
  const kind = png.palette ? 'palette' : channels <= 2 ? 'grey' : 'colour';
  const data = depth < 8 ? unpackBits(png.data, width, height, depth) : (png.data as Uint8Array | Uint16Array);
  const transparency = png.transparency?.length ? png.transparency : undefined;
  return { width, height, kind, channels, depth, data, palette: png.palette, transparency };
}

/**
 * The pixel values of a one-channel PNG as ids, unchanged: palette indices or grey values, 1 to 16 bits. 255 stays 255.
 * For ground truth and results of data sets; `readMask` interprets masks for tracking.
 * Throws `MaskError` for colour PNGs (`unsupported`) and damaged files (`unreadable`).
 */
export function decodeLabelPng(bytes: Uint8Array, name: string): LabelMap {
  const { width, height, kind, channels, data } = decodePngSamples(bytes, name);
  if (kind === 'colour') {
    throw new MaskError('unsupported', name, 'a colour PNG; an indexed or grey PNG whose values are the ids is needed');
  }
  if (channels === 1) return { width, height, data: Uint16Array.from(data) };
  const map = emptyLabelMap(width, height);
  for (let i = 0; i < map.data.length; i++) map.data[i] = data[i * channels]!;
  return map;
}
