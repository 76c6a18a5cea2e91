import { labelIds } from '../io/label-map.js';
import { encodeLabelPng } from '../io/palette-png.js';
import type { ExportContext, Exporter } from './exporter.js';

/**
 * YouTube-VOS, `youtube-vos/`: `Annotations/<video>/<frame>.png`, indexed, and `meta.json` with the class of each object and the frames that
 * show it. Ids above 255 are refused.
 */
export async function openYouTubeVos({ folder, source, objects, palette }: ExportContext): Promise<Exporter> {
  const path = 'youtube-vos';
  const annotations = `${path}/Annotations/${source.name}`;
  await folder.clear?.(annotations);
  const framesOf = new Map<number, string[]>();
  return {
    path,
    warnings: [],
    async add(frame, labels) {
      const file = `${annotations}/${frame.name}.png`;
      await folder.writeFile(file, encodeLabelPng(labels, { bits: 8, palette: palette ?? 'davis' }, file));
      for (const id of labelIds(labels)) {
        let frames = framesOf.get(id);
        if (!frames) framesOf.set(id, (frames = []));
        frames.push(frame.name);
      }
    },
    async finish() {
      const entries = [...framesOf].sort(([a], [b]) => a - b);
      const described = entries.map(([id, frames]) => [
        String(id),
        { category: objects?.get(id)?.label ?? 'object', frames },
      ]);
      const meta = { videos: { [source.name]: { objects: Object.fromEntries(described) } } };
      await folder.writeFile(`${path}/meta.json`, `${JSON.stringify(meta, null, 1)}\n`);
      return true;
    },
    async discard() {},
  };
}
