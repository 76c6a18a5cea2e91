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
}

/** Matrix that untagged video of this height is taken to have. */
export const defaultMatrix = (height: number): 'smpte170m' | 'bt709' => (height < 720 ? 'smpte170m' : 'bt709');

/** Planar (`I…`) and semi-planar (`NV12`) 8-bit layouts that `yuvToRgba` reads: chroma shifts in x and y, interleaved chroma. */
const LAYOUTS: Record<string, { sx: number; sy: number; interleaved: boolean }> = {
  I420: { sx: 1, sy: 1, interleaved: false },
  I422: { sx: 1, sy: 0, interleaved: false },
  I444: { sx: 0, sy: 0, interleaved: false },
  NV12: { sx: 1, sy: 1, interleaved: true },
};

export const isYuvFormat = (format: string | null): format is 'I420' | 'I422' | 'I444' | 'NV12' =>
  format !== null && format in LAYOUTS;

const FRACTION = 16;
/** Clamps a value in -512..1023 to a byte by look-up. */
const CLAMP = Uint8Array.from({ length: 1536 }, (_, i) => Math.min(255, Math.max(0, i - 512)));

/**
 * YCbCr planes to RGBA with 16-bit fixed-point arithmetic and nearest chroma, the convention of OpenCV's and libyuv's readers,
 * the same in Node and in browsers.
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
  const { sx, sy, interleaved } = LAYOUTS[format]!;
  const [kr, kb] = KR_KB[colour.matrix ?? ''] ?? KR_KB[defaultMatrix(height)]!;
  const kg = 1 - kr - kb;
  const full = colour.fullRange === true;
  const one = 1 << FRACTION;
  const lumaScale = full ? 1 : 255 / 219;
  const chromaScale = full ? 1 : 255 / 224;
  const lumaOf = Int32Array.from({ length: 256 }, (_, v) =>
    Math.round((v - (full ? 0 : 16)) * lumaScale * one + one / 2 + 512 * one),
  );
  const chroma = (factor: number) =>
    Int32Array.from({ length: 256 }, (_, v) => Math.round((v - 128) * chromaScale * factor * one));
  const redOfV = chroma(2 * (1 - kr));
  const blueOfU = chroma(2 * (1 - kb));
  const greenOfU = chroma((-2 * (1 - kb) * kb) / kg);
  const greenOfV = chroma((-2 * (1 - kr) * kr) / kg);

  const out = new Uint8Array(width * height * 4);
  const uOffset = layout[1]!.offset;
  const vOffset = interleaved ? uOffset + 1 : layout[2]!.offset;
  const vStride = interleaved ? layout[1]!.stride : layout[2]!.stride;
  const step = interleaved ? 2 : 1;
  let at = 0;
  for (let y = 0; y < height; y++) {
    const yRow = layout[0]!.offset + y * layout[0]!.stride;
    const uRow = uOffset + (y >> sy) * layout[1]!.stride;
    const vRow = vOffset + (y >> sy) * vStride;
    for (let x = 0; x < width; x++) {
      const c = (x >> sx) * step;
      const luma = lumaOf[planes[yRow + x]!]!;
      const u = planes[uRow + c]!;
      const v = planes[vRow + c]!;
      out[at] = CLAMP[(luma + redOfV[v]!) >> FRACTION]!;
      out[at + 1] = CLAMP[(luma + greenOfU[u]! + greenOfV[v]!) >> FRACTION]!;
      out[at + 2] = CLAMP[(luma + blueOfU[u]!) >> FRACTION]!;
      out[at + 3] = 255;
      at += 4;
    }
  }
  return out;
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
