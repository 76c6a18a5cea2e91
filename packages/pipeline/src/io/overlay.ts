import type { LabelMap } from './label-map.js';
import { idColour, type Palette, type PaletteName, palette } from './palette.js';

/** How `drawOverlay` paints. */
export interface OverlayOptions {
  /** Share of the object's colour in its pixels, 0 to 1. Default 0.5. */
  alpha?: number | undefined;
  /** One-pixel outline outside the union of all objects (default), outside each object, or none. */
  contour?: 'union' | 'object' | 'none' | undefined;
  /** RGB of the outline. Default black. */
  contourColour?: readonly [number, number, number] | undefined;
  /** Colours of the objects. Default `samtrack`. */
  palette?: PaletteName | Palette | undefined;
  /** Colours that differ from the palette's, by object id. */
  colours?: ReadonlyMap<number, readonly [number, number, number]> | undefined;
}

/**
 * Draws a label map over a picture: `(1 - alpha) image + alpha colour` inside objects, an outline one pixel wide outside them.
 *
 * The outline is SAM-Track's: the 4-neighbour dilation of the mask without the mask. `object` outlines each object, also where two touch;
 * the higher id's outline then lies on the lower one's pixels and the other way round, as each was dilated alone.
 * @param rgba picture of the map's size; it is not changed
 * @returns a new picture, alpha 255
 * @throws RangeError when labels and frame differ in size
 */
export function drawOverlay(rgba: Uint8Array, labels: LabelMap, options: OverlayOptions = {}): Uint8Array {
  const { alpha = 0.5, contour = 'union', contourColour = [0, 0, 0], palette: name = 'samtrack' } = options;
  const { width, height, data } = labels;
  if (rgba.length !== width * height * 4) {
    throw new RangeError(
      `the picture has ${rgba.length} bytes, a label map of ${width}x${height} needs ${width * height * 4}`,
    );
  }
  const out = rgba.slice();
  const colours = typeof name === 'string' ? palette(name) : name;
  const cache = new Map<number, readonly [number, number, number]>();
  const colourOf = (id: number) => {
    let colour = cache.get(id);
    if (!colour) cache.set(id, (colour = options.colours?.get(id) ?? idColour(colours, id)));
    return colour;
  };
  const outline = contour === 'union' ? isOutsideNeighbour : contour === 'object' ? touchesOtherObject : undefined;

  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      const id = data[i]!;
      const at = i * 4;
      if (outline?.(data, width, height, x, y, id)) {
        for (let c = 0; c < 3; c++) out[at + c] = contourColour[c]!;
      } else if (id) {
        const colour = colourOf(id);
        for (let c = 0; c < 3; c++) out[at + c] = Math.round((1 - alpha) * rgba[at + c]! + alpha * colour[c]!);
      }
      out[at + 3] = 255;
    }
  }
  return out;
}

type Outline = (data: Uint16Array, width: number, height: number, x: number, y: number, id: number) => boolean;

/** A background pixel with an object's pixel above, below, left or right. */
const isOutsideNeighbour: Outline = (data, width, height, x, y, id) =>
  id === 0 && touchesOtherObject(data, width, height, x, y, id);

/** A pixel with a pixel of another object above, below, left or right. */
const touchesOtherObject: Outline = (data, width, height, x, y, id) => {
  const i = y * width + x;
  const differs = (other: number) => other !== 0 && other !== id;
  return (
    (x > 0 && differs(data[i - 1]!)) ||
    (x < width - 1 && differs(data[i + 1]!)) ||
    (y > 0 && differs(data[i - width]!)) ||
    (y < height - 1 && differs(data[i + width]!))
  );
};
