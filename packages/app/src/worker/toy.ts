/**
 * An engine without a network, behind the same interfaces: objects are what has their colour. It needs no GPU and gives the same
 * masks everywhere, so that tests of the page test the page.
 */
import type {
  Detection,
  DetectOptions,
  Detector,
  FoundMasks,
  Frame,
  FrameTracker,
  LabelMap,
  MaskCandidate,
  RgbaImage,
  Segmenter,
  SegmentPrompt,
} from 'samtrack';
import { emptyLabelMap, encodeRle, rleArea, rleBbox } from 'samtrack/io';
import type { ToyPace } from '../protocol.js';

/** Colours closer than this, summed over the channels, are the same. */
const TOLERANCE = 60;

const distance = (rgba: Uint8Array, at: number, [red, green, blue]: readonly number[]) =>
  Math.abs(rgba[at]! - red!) + Math.abs(rgba[at + 1]! - green!) + Math.abs(rgba[at + 2]! - blue!);

const colourAt = ({ rgba, width }: RgbaImage, x: number, y: number) => {
  const at = 4 * (Math.floor(y) * width + Math.floor(x));
  return [rgba[at]!, rgba[at + 1]!, rgba[at + 2]!] as const;
};

/** Makes what waits as a pace says. */
export function paced({ delay = 0, holds = [] }: ToyPace): (frame: number) => Promise<void> {
  const held = new Map<number, { gone: Promise<void>; go: () => void }>();
  for (const frame of holds) {
    let go = () => {};
    const gone = new Promise<void>((resolve) => {
      go = resolve;
    });
    held.set(frame, { gone, go });
  }
  if (holds.length > 0) {
    new BroadcastChannel('samtrack toy').onmessage = ({ data }) => held.get(data)?.go();
  }
  return async (frame) => {
    await held.get(frame)?.gone;
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
  };
}

/** Tracks each object by the mean colour of its newest reference. */
export class ToyTracker implements FrameTracker {
  readonly recallsExactly = true;
  readonly recentFrames = 1;
  readonly groupSize = 10;
  #colours = new Map<number, readonly number[]>();
  #references: number[] = [];

  /** @param pace Waits before each frame. */
  constructor(private readonly pace: (frame: number) => Promise<void>) {}

  get memorisedFrames() {
    return this.#references.map((frame) => ({ frame, reference: true }));
  }

  get memory() {
    const rememberedBytes = this.#references.length * 1_000_000;
    return { rememberedBytes, allocatedBytes: 12_000_000 + rememberedBytes, keptBytes: 0 };
  }

  async addReference({ index, rgba }: Frame, { data }: LabelMap): Promise<void> {
    const sums = new Map<number, [number, number, number, number]>();
    for (let i = 0; i < data.length; i++) {
      const id = data[i]!;
      if (!id) continue;
      const sum = sums.get(id) ?? [0, 0, 0, 0];
      for (let c = 0; c < 3; c++) sum[c]! += rgba[4 * i + c]!;
      sum[3]++;
      sums.set(id, sum);
    }
    for (const [id, [red, green, blue, n]] of sums) this.#colours.set(id, [red / n, green / n, blue / n]);
    this.#references.push(index);
  }

  async step(frame: Frame): Promise<LabelMap> {
    return (await this.predict(frame)).labels;
  }

  async predict({ index, width, height, rgba }: Frame): Promise<FoundMasks> {
    await this.pace(index);
    const labels = emptyLabelMap(width, height);
    const distances = new Map<number, number[]>();
    for (let i = 0; i < labels.data.length; i++) {
      let nearest = TOLERANCE;
      for (const [id, colour] of this.#colours) {
        const far = distance(rgba, 4 * i, colour);
        if (far < nearest) {
          nearest = far;
          labels.data[i] = id;
        }
      }
      const id = labels.data[i]!;
      if (id === 0 || i % 7 !== 0) continue;
      if (!distances.has(id)) distances.set(id, []);
      distances.get(id)!.push(nearest / TOLERANCE);
    }
    const certainty = new Map(
      [...distances].map(([id, all]) => {
        const mean = 1 - all.reduce((sum, each) => sum + each, 0) / all.length;
        return [id, { mean, positions: all.length }];
      }),
    );
    return { labels, certainty };
  }

  async remember(): Promise<void> {}
  async recall(): Promise<void> {}

  memorises(): boolean {
    return false;
  }

  restart(): void {
    this.#colours = new Map();
    this.#references = [];
  }
}

/** The pixels that hang together with a seed and have its colour. */
function flood(
  image: RgbaImage,
  seeds: readonly (readonly [number, number])[],
  within?: readonly number[],
): Uint8Array {
  const { width, height, rgba } = image;
  const [x0, y0, x1, y1] = within ?? [0, 0, width, height];
  const pixels = new Uint8Array(width * height);
  for (const [sx, sy] of seeds) {
    const colour = colourAt(image, sx, sy);
    const stack = [Math.floor(sy) * width + Math.floor(sx)];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const [x, y] = [at % width, Math.floor(at / width)];
      if (pixels[at] || x < x0! || y < y0! || x >= x1! || y >= y1! || distance(rgba, 4 * at, colour) > TOLERANCE)
        continue;
      pixels[at] = 1;
      if (x > 0) stack.push(at - 1);
      if (x < width - 1) stack.push(at + 1);
      if (y > 0) stack.push(at - width);
      if (y < height - 1) stack.push(at + width);
    }
  }
  return pixels;
}

/** Takes what has the colour of the points and hangs together with them. */
export class ToySegmenter implements Segmenter {
  readonly name = 'toy';
  #image: RgbaImage | undefined;

  async setImage(image: RgbaImage): Promise<void> {
    this.#image = image;
  }

  async predict({ points = [], labels, box, stroke }: SegmentPrompt): Promise<MaskCandidate[]> {
    const image = this.#image!;
    const { width, height } = image;
    const on = (stroke ?? points).filter((_, i) => labels?.[i] !== 0);
    const off = points.filter((_, i) => labels?.[i] === 0);
    const seeds = on.length > 0 || !box ? on : [[(box[0] + box[2]) / 2, (box[1] + box[3]) / 2] as const];
    const pixels = flood(image, seeds, box);
    if (off.length > 0) {
      const beside = flood(image, off);
      for (let i = 0; i < pixels.length; i++) if (beside[i]) pixels[i] = 0;
    }
    return [{ mask: encodeRle(pixels, width, height), score: 0.9 }];
  }

  async everything(image: RgbaImage) {
    const { width, height } = image;
    const background = colourAt(image, 0, 0);
    const seen = new Uint8Array(width * height);
    const records = [];
    for (let i = 0; i < seen.length; i++) {
      if (seen[i] || distance(image.rgba, 4 * i, background) <= TOLERANCE) continue;
      const pixels = flood(image, [[i % width, Math.floor(i / width)]]);
      for (let p = 0; p < seen.length; p++) if (pixels[p]) seen[p] = 1;
      const mask = encodeRle(pixels, width, height);
      const area = rleArea(mask);
      if (area >= 24) records.push({ mask, score: 0.9, stability: 1, area, bbox: rleBbox(mask) });
    }
    return records;
  }

  dispose(): void {}
}

const NAMES: Readonly<Record<string, readonly number[]>> = {
  red: [220, 50, 47],
  blue: [38, 110, 230],
  green: [40, 170, 80],
};

/** Knows three colours by name. */
export class ToyDetector implements Detector {
  readonly name = 'toy';

  async detect(image: RgbaImage, { text = '', classes }: DetectOptions): Promise<Detection[]> {
    const { width, height, rgba } = image;
    const words = classes ?? text.split(/[.,]/).map((word) => word.trim());
    return words.flatMap((label): Detection[] => {
      const colour = NAMES[label.toLowerCase()];
      if (!colour) return [];
      const pixels = Uint8Array.from({ length: width * height }, (_, i) =>
        distance(rgba, 4 * i, colour) <= TOLERANCE ? 1 : 0,
      );
      const mask = encodeRle(pixels, width, height);
      if (rleArea(mask) === 0) return [];
      const [x, y, w, h] = rleBbox(mask);
      return [{ box: [x, y, x + w, y + h], label, score: 0.9 }];
    });
  }

  dispose(): void {}
}
