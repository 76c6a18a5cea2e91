import { type CompressedRle, compressRle, labelMapToRles, rleArea, rleBbox } from '../io/rle.js';
import type { ExportContext, Exporter } from './exporter.js';
import { TextFile } from './text-file.js';

interface Track {
  segmentations: (CompressedRle | null)[];
  areas: (number | null)[];
  bboxes: (readonly number[] | null)[];
}

/**
 * YouTube-VIS JSON, `youtube-vis.json`: one annotation an object, with one entry a frame in `segmentations` (compressed RLE), `areas` and
 * `bboxes`, null where the object is not to be seen. The annotation's id is the object's.
 *
 * The format lists frames within objects, so that all run lengths stay in memory until the end: some hundred bytes for each object and frame.
 */
export async function openYouTubeVis({ folder, source, objects }: ExportContext): Promise<Exporter> {
  const path = 'youtube-vis.json';
  const file = new TextFile(await folder.createFile(path));
  const { width, height } = source;
  const names: string[] = [];
  const tracks = new Map<number, Track>();
  const padded = <T>(list: (T | null)[], length: number): (T | null)[] => {
    while (list.length < length) list.push(null);
    return list;
  };
  return {
    path,
    warnings: [],
    async add(frame, labels) {
      for (const [id, rle] of labelMapToRles(labels)) {
        let track = tracks.get(id);
        if (!track) tracks.set(id, (track = { segmentations: [], areas: [], bboxes: [] }));
        padded(track.segmentations, names.length).push(compressRle(rle));
        padded(track.areas, names.length).push(rleArea(rle));
        padded(track.bboxes, names.length).push(rleBbox(rle));
      }
      names.push(frame.name);
    },
    async finish() {
      const categories = new Map<string, number>();
      const categoryOf = (label: string) => {
        if (!categories.has(label)) categories.set(label, categories.size + 1);
        return categories.get(label)!;
      };
      const length = names.length;
      const file_names = names.map((name) => `${source.name}/${name}.jpg`);
      await file.write(`{"videos":[${JSON.stringify({ id: 1, width, height, length, file_names })}],\n"annotations":[`);
      let first = true;
      for (const [id, { segmentations, areas, bboxes }] of [...tracks].sort(([a], [b]) => a - b)) {
        const annotation = {
          id,
          video_id: 1,
          category_id: categoryOf(objects?.get(id)?.label ?? 'object'),
          width,
          height,
          length,
          iscrowd: 0,
          segmentations: padded(segmentations, length),
          areas: padded(areas, length),
          bboxes: padded(bboxes, length),
        };
        await file.write(`${first ? '' : ','}\n${JSON.stringify(annotation)}`);
        first = false;
      }
      const list = [...categories].map(([name, id]) => ({ id, name }));
      await file.write(`\n],"categories":${JSON.stringify(list)}}\n`);
      await file.finish();
      return true;
    },
    discard: () => file.discard(),
  };
}
