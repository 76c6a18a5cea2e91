import { CocoJsonWriter } from './coco-json.js';
import type { ExportContext, Exporter } from './exporter.js';

/** COCO instance JSON with compressed RLE, `coco.json`: see `CocoJsonWriter`. */
export async function openCoco({ folder, objects }: ExportContext): Promise<Exporter> {
  const path = 'coco.json';
  const writer = new CocoJsonWriter(await folder.createFile(path), objects);
  return {
    path,
    warnings: [],
    add: (frame, labels) => writer.add(frame, labels),
    async finish() {
      await writer.finish();
      return true;
    },
    discard: () => writer.discard(),
  };
}
