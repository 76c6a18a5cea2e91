import type { EverythingRecord, Segmenter } from '../../src/assist/index.js';
import {
  encodeRle,
  type Frame,
  type FrameSource,
  imageSource,
  type LabelMap,
  type RgbaImage,
} from '../../src/io/index.js';

/** A disc that moves in a straight line, from the frame on in which it enters the picture. */
export interface Actor {
  enters: number;
  /** Centre in the frame in which it enters, and motion a frame, in pixels. */
  at: readonly [x: number, y: number];
  by: readonly [x: number, y: number];
  radius: number;
  colour: readonly [r: number, g: number, b: number];
}

const SIZE = { width: 240, height: 136 };

/** Who enters when, and where it is to be seen: id k is the k-th actor. */
export function truthOf(actors: readonly Actor[], index: number): LabelMap {
  const { width, height } = SIZE;
  const data = new Uint16Array(width * height);
  for (const [k, { enters, at, by, radius }] of actors.entries()) {
    if (index < enters) continue;
    const [cx, cy] = [at[0] + by[0] * (index - enters), at[1] + by[1] * (index - enters)];
    for (let i = 0; i < data.length; i++) {
      const [x, y] = [i % width, Math.floor(i / width)];
      if ((x - cx) ** 2 + (y - cy) ** 2 <= radius ** 2) data[i] = k + 1;
    }
  }
  return { width, height, data };
}

/** Grey, wavy ground, and the actors with stripes that move along with them. */
function pictureOf(actors: readonly Actor[], index: number): RgbaImage {
  const { width, height } = SIZE;
  const truth = truthOf(actors, index);
  const rgba = new Uint8Array(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const ground = 120 + 30 * Math.sin(x / 9) * Math.cos(y / 7) + 15 * Math.sin((x + 2 * y) / 3);
    const actor = actors[truth.data[i]! - 1];
    const stripe = actor ? 1 + 0.15 * Math.sin((x - actor.by[0] * index) / 3) : 1;
    for (let c = 0; c < 3; c++) rgba[4 * i + c] = actor ? Math.min(255, actor.colour[c]! * stripe) : ground;
  }
  return { width, height, rgba };
}

/** The clip as a source. */
export const clipOf = (actors: readonly Actor[], count: number): Promise<FrameSource> =>
  imageSource(
    'clip',
    Array.from({ length: count }, (_, i) => {
      const stem = String(i).padStart(5, '0');
      return { file: `${stem}.png`, stem, load: async () => pictureOf(actors, i) };
    }),
  );

/** Colours at 60 degrees from each other, so that the segmenter can tell them apart. */
export const COLOURS = [
  [200, 40, 40],
  [40, 180, 40],
  [50, 60, 210],
  [190, 180, 30],
  [30, 180, 190],
  [190, 40, 190],
] as const;

/** Connected pixels of one hue, largest first; grey is no object. */
function coloured({ width, height, rgba }: RgbaImage): EverythingRecord[] {
  const hue = Uint8Array.from({ length: width * height }, (_, i) => {
    const [r, g, b] = [rgba[4 * i]!, rgba[4 * i + 1]!, rgba[4 * i + 2]!];
    const [high, low] = [Math.max(r, g, b), Math.min(r, g, b)];
    const middle = (high + low) / 2;
    return high - low < 60 ? 0 : (r > middle ? 1 : 0) + (g > middle ? 2 : 0) + (b > middle ? 4 : 0);
  });
  const records: EverythingRecord[] = [];
  const seen = new Uint8Array(hue.length);
  for (let start = 0; start < hue.length; start++) {
    if (seen[start] || hue[start] === 0) continue;
    const pixels = new Uint8Array(hue.length);
    const open = [start];
    let area = 0;
    seen[start] = 1;
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      pixels[at] = 1;
      area++;
      const x = at % width;
      for (const [next, inside] of [
        [at - 1, x > 0],
        [at + 1, x < width - 1],
        [at - width, at >= width],
        [at + width, at < hue.length - width],
      ] as const) {
        if (!inside || seen[next] || hue[next] !== hue[start]) continue;
        seen[next] = 1;
        open.push(next);
      }
    }
    if (area >= 20) {
      records.push({ mask: encodeRle(pixels, width, height), score: 0.9, area, bbox: [0, 0, 0, 0], stability: 1 });
    }
  }
  return records.sort((a, b) => b.area - a.area);
}

/**
 * A segmenter that finds coloured patches. With `flicker`, it also sees something in single frames that is not there.
 * `looks` counts the pictures it was shown.
 */
export function colourSegmenter(
  flicker: (look: number) => EverythingRecord[] = () => [],
): Segmenter & { readonly looks: number } {
  let looks = 0;
  let image: RgbaImage | undefined;
  return {
    name: 'colours',
    get looks() {
      return looks;
    },
    async setImage(picture) {
      image = picture;
    },
    /** The patch that a box covers most of, or that the first point, or point of a stroke, is on. */
    async predict({ box, points, stroke }) {
      const [[x, y]] = (points ?? stroke ?? [[0, 0]]) as [readonly [number, number]];
      const [x0, y0, x1, y1] = box ?? [x, y, x + 1, y + 1];
      const inside = coloured(image!).map((record) => {
        let shared = 0;
        let position = 0;
        for (const [i, count] of record.mask.counts.entries()) {
          if (i & 1) {
            for (let p = position; p < position + count; p++) {
              const [x, y] = [Math.floor(p / image!.height), p % image!.height];
              if (x >= x0 && x < x1 && y >= y0 && y < y1) shared++;
            }
          }
          position += count;
        }
        return { record, shared };
      });
      return inside
        .filter(({ shared }) => shared > 0)
        .sort((a, b) => b.shared - a.shared)
        .map(({ record: { mask, score } }) => ({ mask, score }));
    },
    async everything(picture) {
      return [...coloured(picture), ...flicker(looks++)];
    },
    dispose() {},
  };
}

/** IoU of object `id` of a result with object `truthId` of the truth. */
export function iouOf(labels: LabelMap, id: number, truth: LabelMap, truthId: number): number {
  let [both, either] = [0, 0];
  for (let i = 0; i < truth.data.length; i++) {
    const [a, b] = [labels.data[i] === id, truth.data[i] === truthId];
    if (a && b) both++;
    if (a || b) either++;
  }
  return either === 0 ? 1 : both / either;
}

export const frameOf = (actors: readonly Actor[], index: number): Frame => ({
  index,
  time: index / 24,
  name: String(index).padStart(5, '0'),
  ...pictureOf(actors, index),
});
