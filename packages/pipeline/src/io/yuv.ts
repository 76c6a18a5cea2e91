/** Luma coefficients of the YCbCr systems that occur in video files, by WebCodecs matrix name. */
const KR_KB: Record<string, [kr: number, kb: number]> = {
  bt709: [0.2126, 0.0722],
  smpte170m: [0.299, 0.114],
  bt470bg: [0.299, 0.114],
  'bt2020-ncl': [0.2627, 0.0593],
};

/** How the samples of a video frame stand for colours. */
export interface YuvColour {
  /** A WebCodecs matrix name; untagged video is read as browsers do: BT.601 below 720 lines, else BT.709. */
  matrix?: string | null;
  fullRange?: boolean | null;
  /** A WebCodecs transfer name; `pq` and `hlg` are high dynamic range: see `yuvToRgba`. */
  transfer?: string | null;
  /** A WebCodecs name of primaries; counts for high dynamic range only, as in other readers. */
  primaries?: string | null;
}

export const isHdr = ({ transfer }: YuvColour): boolean => transfer === 'pq' || transfer === 'hlg';

/** Matrix that untagged video of this height is taken to have. */
export const defaultMatrix = (height: number): 'smpte170m' | 'bt709' => (height < 720 ? 'smpte170m' : 'bt709');

interface Layout {
  /** Chroma shifts in x and y. */
  sx: number;
  sy: number;
  interleaved: boolean;
  /** Bits a sample; above 8 they take two bytes, low byte first. */
  depth: number;
  alpha: boolean;
}

const SHIFTS: Record<string, [sx: number, sy: number]> = { 420: [1, 1], 422: [1, 0], 444: [0, 0] };

/** Layout of a planar format (`I420`, `I422P10`, `I444AP12` ...) or of `NV12`; undefined for all others. */
function layoutOf(format: string | null): Layout | undefined {
  if (format === 'NV12') return { sx: 1, sy: 1, interleaved: true, depth: 8, alpha: false };
  const [, chroma, alpha, depth] = /^I(420|422|444)(A?)(?:P(10|12))?$/.exec(format ?? '') ?? [];
  if (chroma === undefined) return undefined;
  const [sx, sy] = SHIFTS[chroma]!;
  return { sx, sy, interleaved: false, depth: Number(depth ?? 8), alpha: alpha === 'A' };
}

export const isYuvFormat = (format: string | null): format is string => layoutOf(format) !== undefined;

const FRACTION = 16;
/** Clamps a value in -512..1023 to a byte by look-up. */
const CLAMP = Uint8Array.from({ length: 1536 }, (_, i) => Math.min(255, Math.max(0, i - 512)));

/** Fixed-point tables of YCbCr to RGB: what each sample contributes, in units of a byte's step. */
function tablesOf(depth: number, height: number, { matrix, fullRange }: YuvColour) {
  const [kr, kb] = KR_KB[matrix ?? ''] ?? KR_KB[defaultMatrix(height)]!;
  const kg = 1 - kr - kb;
  const full = fullRange === true;
  const one = 1 << FRACTION;
  const levels = 1 << depth;
  // Limited range is that of 8 bits, shifted; full range ends at the largest number.
  const step = full ? 255 / (levels - 1) : 256 / levels;
  const lumaScale = full ? 1 : 255 / 219;
  const chromaScale = full ? 1 : 255 / 224;
  const luma = Int32Array.from({ length: levels }, (_, v) =>
    Math.round((v * step - (full ? 0 : 16)) * lumaScale * one + one / 2 + 512 * one),
  );
  const chroma = (factor: number) =>
    Int32Array.from({ length: levels }, (_, v) => Math.round((v - levels / 2) * step * chromaScale * factor * one));
  return {
    luma,
    redOfV: chroma(2 * (1 - kr)),
    blueOfU: chroma(2 * (1 - kb)),
    greenOfU: chroma((-2 * (1 - kb) * kb) / kg),
    greenOfV: chroma((-2 * (1 - kr) * kr) / kg),
  };
}

/**
 * YCbCr planes of 8, 10 or 12 bits to RGBA with 16-bit fixed-point arithmetic and nearest chroma, the convention of OpenCV's and libyuv's
 * readers, the same in Node and in browsers. PQ is mapped to standard range (see `pqToSdr`); HLG is taken for the standard-range signal that it was made
 * to be compatible with (ITU-R BT.2390, 9).
 * @param planes tightly or loosely packed planes in one buffer, `layout` as `VideoSample.copyTo` returns it (offsets and strides in bytes)
 */
export function yuvToRgba(
  planes: Uint8Array,
  layout: readonly { offset: number; stride: number }[],
  format: string,
  width: number,
  height: number,
  colour: YuvColour = {},
): Uint8Array {
  const { sx, sy, interleaved, depth, alpha } = layoutOf(format)!;
  const { luma: lumaOf, redOfV, blueOfU, greenOfU, greenOfV } = tablesOf(depth, height, colour);
  const wide = depth > 8 ? 1 : 0;
  const samples = wide ? new Uint16Array(planes.buffer, planes.byteOffset, planes.length >> 1) : planes;
  const at16 = (bytes: number) => bytes >> wide;
  const map = colour.transfer === 'pq' ? pqToSdr(colour) : undefined;

  const out = new Uint8Array(width * height * 4);
  const uOffset = at16(layout[1]!.offset);
  const vOffset = interleaved ? uOffset + 1 : at16(layout[2]!.offset);
  const uStride = at16(layout[1]!.stride);
  const vStride = interleaved ? uStride : at16(layout[2]!.stride);
  const step = interleaved ? 2 : 1;
  const aPlane = alpha ? layout[3] : undefined;
  let at = 0;
  for (let y = 0; y < height; y++) {
    const yRow = at16(layout[0]!.offset) + y * at16(layout[0]!.stride);
    const uRow = uOffset + (y >> sy) * uStride;
    const vRow = vOffset + (y >> sy) * vStride;
    const aRow = aPlane ? at16(aPlane.offset) + y * at16(aPlane.stride) : 0;
    for (let x = 0; x < width; x++) {
      const c = (x >> sx) * step;
      const luma = lumaOf[samples[yRow + x]!]!;
      const u = samples[uRow + c]!;
      const v = samples[vRow + c]!;
      const red = luma + redOfV[v]!;
      const green = luma + greenOfU[u]! + greenOfV[v]!;
      const blue = luma + blueOfU[u]!;
      if (map) map(red, green, blue, out, at);
      else {
        out[at] = CLAMP[red >> FRACTION]!;
        out[at + 1] = CLAMP[green >> FRACTION]!;
        out[at + 2] = CLAMP[blue >> FRACTION]!;
      }
      out[at + 3] = aPlane ? samples[aRow + x]! >> (depth - 8) : 255;
      at += 4;
    }
  }
  return out;
}

/** Light of the reference white of high dynamic range, in cd/m2 (ITU-R BT.2408): it becomes the white of standard range. */
const REFERENCE_WHITE = 203;
/** Up to this share of white nothing is changed; all that is brighter is compressed into the rest. */
const KNEE = 0.75;
const STEPS = 4096;

/** Light in cd/m2 of a PQ signal 0..1 (SMPTE ST 2084). */
export function pqToLight(signal: number): number {
  const root = signal ** (1 / 78.84375);
  return 10000 * (Math.max(0, root - 0.8359375) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125);
}

/** Linear RGB to that of BT.709's primaries, row by row. */
const TO_BT709: Record<string, readonly number[]> = {
  bt2020: [1.660491, -0.587641, -0.07285, -0.12455, 1.1329, -0.008349, -0.018151, -0.100579, 1.11873],
  smpte432: [1.22494, -0.22494, 0, -0.042057, 1.042057, 0, -0.019638, -0.078636, 1.098274],
  bt709: [1, 0, 0, 0, 1, 0, 0, 0, 1],
};

/**
 * PQ to sRGB: light relative to reference white, primaries to BT.709, highlights compressed by a soft knee that keeps the hue.
 * @returns a function of red, green and blue as `tablesOf` gives them, which writes three bytes
 */
function pqToSdr({ primaries }: YuvColour) {
  const light = Float32Array.from({ length: STEPS }, (_, i) => pqToLight(i / (STEPS - 1)) / REFERENCE_WHITE);
  // By the root, since the eye sees dark steps best.
  const encode = Uint8Array.from({ length: STEPS }, (_, i) => {
    const linear = (i / (STEPS - 1)) ** 2;
    return Math.round(255 * (linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055));
  });
  const m = TO_BT709[primaries ?? 'bt2020'] ?? TO_BT709.bt2020!;
  const scale = (STEPS - 1) / (255 * (1 << FRACTION));
  // `tablesOf` adds one half and 512 for the other path's clamping.
  const offset = 512.5 * (1 << FRACTION);
  const index = (value: number) => Math.min(STEPS - 1, Math.max(0, Math.round((value - offset) * scale)));
  const byte = (value: number) => encode[Math.round(Math.sqrt(Math.min(1, Math.max(0, value))) * (STEPS - 1))]!;
  return (red: number, green: number, blue: number, out: Uint8Array, at: number) => {
    const r = light[index(red)]!;
    const g = light[index(green)]!;
    const b = light[index(blue)]!;
    const x = Math.max(0, m[0]! * r + m[1]! * g + m[2]! * b);
    const y = Math.max(0, m[3]! * r + m[4]! * g + m[5]! * b);
    const z = Math.max(0, m[6]! * r + m[7]! * g + m[8]! * b);
    const most = Math.max(x, y, z);
    const gain = most <= KNEE ? 1 : (KNEE + (1 - KNEE) * (1 - Math.exp((KNEE - most) / (1 - KNEE)))) / most;
    out[at] = byte(x * gain);
    out[at + 1] = byte(y * gain);
    out[at + 2] = byte(z * gain);
  };
}

/**
 * RGBA to I420 of even size, limited range, chroma averaged over 2x2 pixels; an odd last column or row is repeated.
 * @returns planes packed without gaps, `codedWidth` x `codedHeight`
 */
export function rgbaToI420(
  rgba: Uint8Array,
  width: number,
  height: number,
  matrix: 'smpte170m' | 'bt709',
): { data: Uint8Array; codedWidth: number; codedHeight: number } {
  const codedWidth = width + (width & 1);
  const codedHeight = height + (height & 1);
  const [kr, kb] = KR_KB[matrix]!;
  const kg = 1 - kr - kb;
  const one = 1 << FRACTION;
  const fixed = (value: number) => Math.round(value * one);
  const [yr, yg, yb] = [kr, kg, kb].map((k) => fixed((k * 219) / 255)) as [number, number, number];
  // Chroma sums four pixels, hence the division by 4.
  const cb = 224 / 255 / (2 * (1 - kb)) / 4;
  const cr = 224 / 255 / (2 * (1 - kr)) / 4;
  const [ur, ug, ub] = [-kr * cb, -kg * cb, (1 - kb) * cb].map(fixed) as [number, number, number];
  const [vr, vg, vb] = [(1 - kr) * cr, -kg * cr, -kb * cr].map(fixed) as [number, number, number];
  const half = one >> 1;

  const lumaSize = codedWidth * codedHeight;
  const chromaWidth = codedWidth >> 1;
  const data = new Uint8Array(lumaSize + (lumaSize >> 1));
  const vPlane = lumaSize + (lumaSize >> 2);
  for (let y = 0; y < codedHeight; y += 2) {
    for (let x = 0; x < codedWidth; x += 2) {
      let r = 0;
      let g = 0;
      let b = 0;
      for (let dy = 0; dy < 2; dy++) {
        const row = Math.min(y + dy, height - 1) * width;
        for (let dx = 0; dx < 2; dx++) {
          const at = (row + Math.min(x + dx, width - 1)) * 4;
          const pr = rgba[at]!;
          const pg = rgba[at + 1]!;
          const pb = rgba[at + 2]!;
          data[(y + dy) * codedWidth + x + dx] = 16 + ((yr * pr + yg * pg + yb * pb + half) >> FRACTION);
          r += pr;
          g += pg;
          b += pb;
        }
      }
      const c = (y >> 1) * chromaWidth + (x >> 1);
      data[lumaSize + c] = 128 + ((ur * r + ug * g + ub * b + half) >> FRACTION);
      data[vPlane + c] = 128 + ((vr * r + vg * g + vb * b + half) >> FRACTION);
    }
  }
  return { data, codedWidth, codedHeight };
}
