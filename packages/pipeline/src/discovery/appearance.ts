import type { RgbaImage } from '../io/index.js';
import type { Rle } from '../io/rle.js';
import { forEachPixel } from './paint.js';

/** Levels of each channel that are told apart. */
const LEVELS = 32;

/** Where a mask is and what is in it. */
export interface Appearance {
  /** Of its pixels, in pixels. */
  readonly centre: readonly [x: number, y: number];
  readonly area: number;
  /** Shares of the pixels at each level or below it, of red, green and blue. */
  readonly colours: Float64Array;
}

/** @param mask of the picture's size, with pixels */
export function appearanceOf(mask: Rle, { width, rgba }: RgbaImage): Appearance {
  const colours = new Float64Array(3 * LEVELS);
  let [area, sumX, sumY] = [0, 0, 0];
  forEachPixel(mask, (at) => {
    area++;
    sumX += at % width;
    sumY += Math.floor(at / width);
    for (let channel = 0; channel < 3; channel++) {
      colours[LEVELS * channel + Math.floor((rgba[4 * at + channel]! * LEVELS) / 256)]!++;
    }
  });
  for (let i = 0; i < colours.length; i++) colours[i] = colours[i]! / area + (i % LEVELS ? colours[i - 1]! : 0);
  return { centre: [sumX / area, sumY / area], area, colours };
}

/**
 * How much the colours differ: by how much of the range, on average, the pixels of one would have to change to become those of the other
 * (the earth mover's distance of the levels), in the channel in which that is most. 0..1
 */
export function colourDifference(a: Appearance, b: Appearance): number {
  const channels = [0, 0, 0];
  for (let i = 0; i < a.colours.length; i++) {
    channels[Math.floor(i / LEVELS)]! += Math.abs(a.colours[i]! - b.colours[i]!) / LEVELS;
  }
  return Math.max(...channels);
}
