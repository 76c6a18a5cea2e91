import type { Detection, Detector, MaskCandidate, Segmenter, SegmentPrompt } from '../../src/assist/index.js';
import { encodeRle, type RgbaImage, rleArea, rleBbox } from '../../src/io/index.js';
import { components } from '../../src/session/masks.js';

const colourAt = ({ rgba }: RgbaImage, pixel: number) =>
  (rgba[4 * pixel]! << 16) | (rgba[4 * pixel + 1]! << 8) | rgba[4 * pixel + 2]!;

/** A picture of rectangles in plain colours on black. */
export function plainPicture(
  { width, height }: { width: number; height: number },
  ...all: [colour: number, x0: number, y0: number, x1: number, y1: number][]
): RgbaImage {
  const rgba = new Uint8Array(width * height * 4);
  for (let i = 3; i < rgba.length; i += 4) rgba[i] = 255;
  for (const [colour, x0, y0, x1, y1] of all) {
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++) rgba.set([colour >> 16, (colour >> 8) & 255, colour & 255], 4 * (y * width + x));
    }
  }
  return { width, height, rgba };
}

/** Takes the pixels of the prompted colours for an object, within the box if there is one. */
export class ColourSegmenter implements Segmenter {
  readonly name = 'colours';
  disposed = false;
  /** What `predict` was shown. */
  readonly shown: SegmentPrompt[] = [];
  #image: RgbaImage | undefined;

  async setImage(image: RgbaImage) {
    this.#image = image;
  }

  async predict(prompt: SegmentPrompt): Promise<MaskCandidate[]> {
    this.shown.push(prompt);
    const image = this.#image!;
    const { width, height } = image;
    const colours = new Set<number>();
    for (const [i, [x, y]] of (prompt.points ?? prompt.stroke ?? []).entries()) {
      if (prompt.labels?.[i] !== 0) colours.add(colourAt(image, Math.floor(y) * width + Math.floor(x)));
    }
    if (prompt.box) {
      const [x0, y0, x1, y1] = prompt.box;
      colours.add(colourAt(image, Math.floor((y0 + y1) / 2) * width + Math.floor((x0 + x1) / 2)));
    }
    colours.delete(0);
    const [x0, y0, x1, y1] = prompt.box ?? [0, 0, width, height];
    const mask = Uint8Array.from({ length: width * height }, (_, i) => {
      const [x, y] = [i % width, Math.floor(i / width)];
      return colours.has(colourAt(image, i)) && x >= x0 && x < x1 && y >= y0 && y < y1 ? 1 : 0;
    });
    return [{ mask: encodeRle(mask, width, height), score: 1 }];
  }

  async everything(image: RgbaImage) {
    this.#image = image;
    const { width, height } = image;
    const colours = new Set(Array.from({ length: width * height }, (_, i) => colourAt(image, i)));
    return [...colours].filter(Boolean).flatMap((colour) => {
      const all = Uint8Array.from({ length: width * height }, (_, i) => (colourAt(image, i) === colour ? 1 : 0));
      return components(all, width, height).map((pixels) => {
        const mask = encodeRle(pixels, width, height);
        return { mask, score: 1, stability: 1, area: rleArea(mask), bbox: rleBbox(mask) };
      });
    });
  }

  dispose() {
    this.disposed = true;
  }
}

/** Knows colours by name. */
export class ColourDetector implements Detector {
  readonly name = 'colour names';
  static readonly names: Record<string, number> = { red: 0xff0000, green: 0x00ff00, blue: 0x0000ff };

  async detect(
    image: RgbaImage,
    { text, classes }: { text?: string; classes?: readonly string[] },
  ): Promise<Detection[]> {
    const words = classes ?? text!.split('.').map((word) => word.trim());
    const { width, height } = image;
    return words.flatMap((word) => {
      const colour = ColourDetector.names[word];
      if (colour === undefined) return [];
      const all = Uint8Array.from({ length: width * height }, (_, i) => (colourAt(image, i) === colour ? 1 : 0));
      return components(all, width, height).map((pixels): Detection => {
        const [x, y, w, h] = rleBbox(encodeRle(pixels, width, height));
        return { box: [x, y, x + w, y + h], label: word, score: 0.9 };
      });
    });
  }

  dispose() {}
}
