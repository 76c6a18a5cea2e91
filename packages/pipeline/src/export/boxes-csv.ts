import { labelMapToRles, rleArea, rleBbox } from '../io/rle.js';
import type { ExportContext, Exporter } from './exporter.js';
import { TextFile } from './text-file.js';

/** A field of a CSV file (RFC 4180). */
const field = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/**
 * Boxes of all objects, `boxes.csv`, one row for each object and frame: frame number, frame name, time in seconds, object id, class, name, tight box in
 * pixels (left, top, width, height), area in pixels.
 */
export async function openBoxesCsv({ folder, objects }: ExportContext): Promise<Exporter> {
  const path = 'boxes.csv';
  const file = new TextFile(await folder.createFile(path));
  await file.write('frame,name,time,id,label,object,x,y,width,height,area\n');
  return {
    path,
    warnings: [],
    async add({ index, name, time }, labels) {
      for (const [id, rle] of labelMapToRles(labels)) {
        const info = objects?.get(id);
        const texts = [info?.label ?? 'object', info?.name ?? `object ${id}`].map(field);
        const row = [index, field(name), time.toFixed(6), id, ...texts, ...rleBbox(rle), rleArea(rle)];
        await file.write(`${row.join(',')}\n`);
      }
    },
    async finish() {
      await file.finish();
      return true;
    },
    discard: () => file.discard(),
  };
}
