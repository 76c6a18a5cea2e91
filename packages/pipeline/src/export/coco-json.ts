import type { Frame } from '../io/frame-source.js';
import type { LabelMap } from '../io/label-map.js';
import type { OutputFile } from '../io/output-folder.js';
import { compressRle, labelMapToRles, rleArea, rleBbox } from '../io/rle.js';

/** What is known of an object beside its pixels. */
export interface ObjectInfo {
  /** Shown name; default `object <id>`. */
  name?: string;
  /** Class label; becomes a COCO category. Default `object`. */
  label?: string;
}

const FLUSH_BYTES = 1 << 16;

/**
 * Writes COCO instance JSON while results come in: nothing but the list of images stays in memory.
 *
 * `images[]`: `id` (from 1), `file_name`, `width`, `height`, `frame_index`, `time` (seconds).
 * `annotations[]`, one for each object and frame: `id`, `image_id`, `category_id`, `track_id` (the object id), `segmentation`
 * (compressed RLE), `area`, `bbox`, `iscrowd: 0`. `categories[]`: the labels of the objects. `objects[]`: `id`, `name`, `category_id`.
 */
export class CocoJsonWriter {
  private readonly encoder = new TextEncoder();
  private readonly images: string[] = [];
  private readonly categories = new Map<string, number>();
  private readonly tracks = new Set<number>();
  private buffer = '{"annotations":[';
  private position = 0;
  private annotations = 0;

  /** @param objects names and labels by object id; it may grow during the run */
  constructor(
    private readonly file: OutputFile,
    private readonly objects: ReadonlyMap<number, ObjectInfo> = new Map(),
  ) {}

  /** Adds one frame's objects. Throws `OutputError`. */
  async add(frame: Pick<Frame, 'index' | 'time' | 'name' | 'width' | 'height'>, labels: LabelMap): Promise<void> {
    const imageId = this.images.length + 1;
    const { index, time, name, width, height } = frame;
    this.images.push(
      JSON.stringify({ id: imageId, file_name: `${name}.png`, width, height, frame_index: index, time }),
    );
    for (const [id, rle] of labelMapToRles(labels)) {
      this.tracks.add(id);
      const annotation = {
        id: ++this.annotations,
        image_id: imageId,
        category_id: this.categoryOf(id),
        track_id: id,
        segmentation: compressRle(rle),
        area: rleArea(rle),
        bbox: rleBbox(rle),
        iscrowd: 0,
      };
      this.buffer += `${this.annotations > 1 ? ',' : ''}\n${JSON.stringify(annotation)}`;
    }
    if (this.buffer.length >= FLUSH_BYTES) await this.flush();
  }

  /** Closes the JSON text and gives the file its name. */
  async finish(): Promise<void> {
    const objects = [...this.tracks]
      .sort((a, b) => a - b)
      .map((id) => ({ id, name: this.objects.get(id)?.name ?? `object ${id}`, category_id: this.categoryOf(id) }));
    const categories = [...this.categories].map(([name, id]) => ({ id, name }));
    const list = (items: readonly unknown[]) => items.map((item) => JSON.stringify(item)).join(',\n');
    this.buffer += `\n],"images":[\n${this.images.join(',\n')}\n],"categories":[\n${list(categories)}\n],"objects":[\n${list(objects)}\n]}\n`;
    await this.flush();
    await this.file.commit();
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    await this.file.discard();
  }

  private categoryOf(id: number): number {
    const label = this.objects.get(id)?.label ?? 'object';
    let category = this.categories.get(label);
    if (category === undefined) this.categories.set(label, (category = this.categories.size + 1));
    return category;
  }

  private async flush(): Promise<void> {
    const bytes = this.encoder.encode(this.buffer);
    this.buffer = '';
    await this.file.write(bytes, this.position);
    this.position += bytes.length;
  }
}
