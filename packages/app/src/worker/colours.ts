import type { Rgb } from '../protocol.js';

/**
 * Twelve colours that differ from each other for every kind of colour vision (least CIE76 distance 25, 16 for tritanopes), and that
 * stand out from the dark theme's panels; then they repeat. Eight are Okabe and Ito's, or close to them.
 */
const COLOURS: readonly Rgb[] = [
  '56b4e9 e69f00 cc79a7 f0e442 009e73 d55e00 8811ff bbffaa 4466cc 88ffff dd0044 885599'
    .split(' ')
    .map((hex) => [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb),
].flat();

/** The colour of an object that nobody gave one. */
export const colourOf = (id: number): Rgb => COLOURS[(id - 1) % COLOURS.length]!;
