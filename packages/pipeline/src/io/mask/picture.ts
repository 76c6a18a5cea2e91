import type { PngSamples } from '../palette-png.js';

/** JPEG, whose blocks know nothing of each other, or another, whose blocks follow their neighbours. */
export type LossyKind = 'jpeg' | 'other';

/** A mask file's pixels before it is known what they mean. */
export interface MaskPicture {
  width: number;
  height: number;
  /** Stored numbers of one-channel files: palette indices, or grey values. */
  values: Uint16Array | undefined;
  /** Largest number that the file can store: 1, 3, 15, 255 or 65535. */
  max: number;
  /** Colours of the palette, 0xRRGGBB. */
  palette: Uint32Array | undefined;
  /** 1 where alpha is one half or more; undefined where the file has no alpha, or all of it is opaque. */
  opaque: Uint8Array | undefined;
  hasAlpha: boolean;
  /** Colours of the pixels, 0xRRGGBB. */
  colours(): Uint32Array;
  /** Saved with lossy compression of this kind: values are near what they were. */
  lossy: LossyKind | undefined;
}

/** A colour as 0xRRGGBB. */
export const pack = (r: number, g: number, b: number) => (r << 16) | (g << 8) | b;

/** Alpha of each pixel as the file says it: a channel, a palette's, or a colour that stands for transparency. */
function alphaOf({ width, height, kind, channels, depth, data, palette, transparency }: PngSamples) {
  const count = width * height;
  const alpha = new Uint8Array(count);
  if (kind === 'palette') {
    if (!palette!.some((colour) => colour[3] !== undefined)) return undefined;
    for (let i = 0; i < count; i++) alpha[i] = (palette![data[i]!]?.[3] ?? 255) >= 128 ? 1 : 0;
    return alpha;
  }
  if (channels === 2 || channels === 4) {
    const half = 2 ** (depth - 1);
    for (let i = 0; i < count; i++) alpha[i] = data[i * channels + channels - 1]! >= half ? 1 : 0;
    return alpha;
  }
  if (!transparency || transparency.length < channels) return undefined;
  for (let i = 0; i < count; i++) {
    let same = true;
    for (let c = 0; c < channels; c++) if (data[i * channels + c] !== transparency[c]) same = false;
    alpha[i] = same ? 0 : 1;
  }
  return alpha;
}

/** What is stored in an image file. */
export function maskPicture(samples: PngSamples, lossy?: LossyKind): MaskPicture {
  const { width, height, kind, channels, depth, data } = samples;
  const count = width * height;
  const alpha = alphaOf(samples);
  const palette = kind === 'palette' ? Uint32Array.from(samples.palette!, ([r, g, b]) => pack(r!, g!, b!)) : undefined;
  let values: Uint16Array | undefined;
  if (kind !== 'colour') {
    values = new Uint16Array(count);
    for (let i = 0; i < count; i++) values[i] = data[i * channels]!;
  }
  const max = 2 ** depth - 1;
  return {
    width,
    height,
    values,
    max,
    palette,
    opaque: alpha?.includes(0) ? alpha : undefined,
    hasAlpha: alpha !== undefined,
    lossy,
    colours() {
      if (palette) return Uint32Array.from(values!, (index) => palette[index] ?? 0);
      const scale = 255 / max;
      if (values) return Uint32Array.from(values, (value) => Math.round(value * scale) * 0x010101);
      const shift = depth === 16 ? 8 : 0;
      const colours = new Uint32Array(count);
      for (let i = 0, at = 0; i < count; i++, at += channels) {
        colours[i] = pack(data[at]! >> shift, data[at + 1]! >> shift, data[at + 2]! >> shift);
      }
      return colours;
    },
  };
}
