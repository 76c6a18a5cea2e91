/** Pictures with boxes and their labels. Node only: sharp draws the text, with the fonts that the machine has. */
import { extname } from 'node:path';
import type { Box } from '@samtrack/models';
import { type RgbaImage, type RunInput, writeOwnedFile } from '../../io/index.js';
import { idColour, palette } from '../../io/palette.js';

/** A box and what to write on it. */
export interface LabelledBox {
  box: Box;
  label: string;
  /** Boxes of the same number have the same colour. */
  colour: number;
}

/** Characters that XML 1.0 has no way to write, and those that mean something in it. */
const escapeXml = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, ' ').replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** About how wide a text is, in units of the font's size: letters are 0.6 wide in the usual fonts, ideographs and emoji 1. */
const textWidth = (text: string): number =>
  [...text].reduce((width, character) => width + (character >= '\u2e80' ? 1 : 0.6), 0);

/** The boxes as a drawing of the picture's size. Labels stand on their boxes, within the picture. */
export function boxesSvg({ width, height }: { width: number; height: number }, boxes: readonly LabelledBox[]): string {
  const stroke = Math.max(1.5, Math.min(width, height) / 250);
  const size = Math.max(11, Math.min(width, height) / 32);
  const colours = palette('samtrack');
  const drawn = boxes.map(({ box: [x0, y0, x1, y1], label, colour }) => {
    const [red, green, blue] = idColour(colours, 1 + (colour % 255));
    const paint = `rgb(${red},${green},${blue})`;
    const plate = { width: (textWidth(label) + 0.6) * size, height: size * 1.4 };
    const left = Math.max(0, Math.min(x0, width - plate.width));
    const top = Math.max(0, y0 - plate.height);
    return [
      `<rect x="${x0}" y="${y0}" width="${x1 - x0}" height="${y1 - y0}" fill="none" stroke="${paint}" stroke-width="${stroke}"/>`,
      `<rect x="${left}" y="${top}" width="${plate.width}" height="${plate.height}" fill="${paint}"/>`,
      `<text x="${left + size * 0.3}" y="${top + size}" font-size="${size}" font-family="sans-serif" fill="black">`,
      `${escapeXml(label)}</text>`,
    ].join('');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${drawn.join('')}</svg>`;
}

/** Writes a picture with boxes; the file's extension says how (png, jpg, webp, ...). */
export async function writeDetectionPicture(
  file: string,
  { width, height, rgba }: RgbaImage,
  boxes: readonly LabelledBox[],
  inputs: readonly RunInput[] = [],
): Promise<void> {
  const { default: sharp } = await import('sharp');
  const drawing = Buffer.from(boxesSvg({ width, height }, boxes));
  const format = extname(file).slice(1).toLowerCase().replace('jpg', 'jpeg') as 'png' | 'jpeg' | 'webp';
  const picture = await sharp(rgba, { raw: { width, height, channels: 4 } })
    .composite([{ input: drawing }])
    .removeAlpha()
    .toFormat(format)
    .toBuffer();
  await writeOwnedFile(file, picture, inputs);
}
