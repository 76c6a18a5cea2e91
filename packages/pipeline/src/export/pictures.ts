import { encode } from 'fast-png';
import type { Frame } from '../io/frame-source.js';
import type { LabelMap } from '../io/label-map.js';
import { drawOverlay } from '../io/overlay.js';
import { encodeLabelPng } from '../io/palette-png.js';
import { cutOutSharply } from './cut-out.js';
import type { ExportContext, Exporter } from './exporter.js';

/** One PNG a frame in a folder of its own, named as the frame; what an earlier export left there is removed. */
async function openPngFolder(
  path: string,
  { folder }: ExportContext,
  draw: (frame: Frame, labels: LabelMap, file: string) => Uint8Array | undefined,
): Promise<Exporter> {
  await folder.clear?.(path);
  let files = 0;
  return {
    path,
    warnings: [],
    async add(frame, labels) {
      const file = `${path}/${frame.name}.png`;
      const png = draw(frame, labels, file);
      if (!png) return;
      await folder.writeFile(file, png);
      files++;
    },
    finish: async () => files > 0,
    // Each file is whole.
    async discard() {},
  };
}

/** Indexed PNGs of 8 bits as in DAVIS results, `davis/00000.png`. */
export const openDavis = (context: ExportContext): Promise<Exporter> =>
  openPngFolder('davis', context, (_, labels, file) =>
    encodeLabelPng(labels, { bits: 8, palette: context.palette }, file),
  );

/** Grey PNGs of 16 bits whose values are the ids, `png16/00000.png`. */
export const openPng16 = (context: ExportContext): Promise<Exporter> =>
  openPngFolder('png16', context, (_, labels, file) => encodeLabelPng(labels, { bits: 16 }, file));

/** Pictures with the masks drawn on them, `frames/00000.png`. */
export const openFrames = (context: ExportContext): Promise<Exporter> =>
  openPngFolder('frames', context, ({ width, height, rgba }, labels) => {
    const drawn = drawOverlay(rgba, labels, context.overlay);
    const rgb = new Uint8Array(width * height * 3);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) rgb[3 * i + c] = drawn[4 * i + c]!;
    }
    return encode({ width, height, channels: 3, depth: 8, data: rgb });
  });

/** The objects alone, the rest transparent, `cutout/00000.png`. */
export const openCutoutPictures = (context: ExportContext): Promise<Exporter> =>
  openPngFolder('cutout', context, ({ width, height, rgba }, labels) =>
    encode({ width, height, channels: 4, depth: 8, data: cutOutSharply(rgba, labels) }),
  );

/** The masks of objects in the frame in which each is to be seen first, `new-objects/00000.png`; other frames have no file. */
export function openNewObjects(context: ExportContext): Promise<Exporter> {
  const seen = new Uint8Array(65536);
  return openPngFolder('new-objects', context, (_, { width, height, data }, file) => {
    const born = data.map((id) => (seen[id] ? 0 : id));
    for (const id of born) seen[id] = 1;
    if (!born.some((id) => id > 0)) return undefined;
    return encodeLabelPng({ width, height, data: born }, { palette: context.palette }, file);
  });
}
