import { openBoxesCsv } from './boxes-csv.js';
import { openCoco } from './coco.js';
import type { ExportContext, Exporter } from './exporter.js';
import { openGif } from './gif.js';
import { openMots } from './mots.js';
import { openCutoutPictures, openDavis, openFrames, openNewObjects, openPng16 } from './pictures.js';
import { openCutoutVideo, openOverlay } from './videos.js';
import { openYouTubeVis } from './youtube-vis.js';
import { openYouTubeVos } from './youtube-vos.js';
import { openMasksZip } from './zip.js';

interface Format {
  open(context: ExportContext): Promise<Exporter>;
  /** The file or folder (with `/` at its end) it makes. */
  path: string;
  what: string;
}

/** What results can be written as, and what that is. */
export const EXPORT_FORMATS = {
  davis: { open: openDavis, path: 'davis/', what: 'indexed PNGs of 8 bits, as in DAVIS results' },
  png16: { open: openPng16, path: 'png16/', what: 'grey PNGs of 16 bits, for more than 255 objects' },
  zip: { open: openMasksZip, path: 'masks.zip', what: 'the label PNGs in one archive' },
  coco: { open: openCoco, path: 'coco.json', what: 'COCO instances with RLE masks' },
  'youtube-vos': { open: openYouTubeVos, path: 'youtube-vos/', what: 'Annotations/VIDEO/NAME.png and meta.json' },
  'youtube-vis': { open: openYouTubeVis, path: 'youtube-vis.json', what: 'one annotation an object' },
  mots: { open: openMots, path: 'mots.txt', what: 'MOTS text' },
  csv: { open: openBoxesCsv, path: 'boxes.csv', what: 'a box for each object and frame' },
  overlay: { open: openOverlay, path: 'overlay.mp4', what: 'masks on the video, with its sound' },
  gif: { open: openGif, path: 'overlay.gif', what: 'the same as an animation, reduced' },
  frames: { open: openFrames, path: 'frames/', what: 'the same as pictures' },
  cutout: { open: openCutoutVideo, path: 'cutout.webm', what: 'the objects alone, the rest transparent' },
  'cutout-png': { open: openCutoutPictures, path: 'cutout/', what: 'the same as pictures' },
  'new-objects': { open: openNewObjects, path: 'new-objects/', what: 'each object where it is seen first' },
} as const satisfies Record<string, Format>;

/** A name of `--format`. */
export type ExportFormat = keyof typeof EXPORT_FORMATS;

/** Opens exporters; if one fails, none is left open. Throws `OutputError`. */
export async function openExporters(formats: Iterable<ExportFormat>, context: ExportContext): Promise<Exporter[]> {
  const exporters: Exporter[] = [];
  try {
    for (const format of new Set(formats)) exporters.push(await EXPORT_FORMATS[format].open(context));
  } catch (error) {
    for (const exporter of exporters) await exporter.discard();
    throw error;
  }
  return exporters;
}
