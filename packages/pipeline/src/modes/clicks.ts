import type { Point, Segmenter } from '../assist/index.js';
import { canonicalOrder, rleIou } from '../discovery/index.js';
import { decodeRle, emptyLabelMap, encodeRle, type LabelMap, labelIds, type RgbaImage, type Rle } from '../io/index.js';

/** Options of `simulateClicks`. */
export interface ClickOptions {
  /** Most clicks for each object; default 3. */
  clicks?: number;
  /** IoU with the true mask from which no more clicks are made; default 0.9. */
  goodEnough?: number;
  signal?: AbortSignal;
}

/** What clicks on one object came to. */
export interface ClickedObject {
  id: number;
  points: Point[];
  /** 1: on the object; 0: beside it. */
  labels: number[];
  /** IoU of the mask with the true one. */
  iou: number;
}

/** Distance of each pixel of a region to what is outside it, 0 outside (chessboard metric, two passes). */
function depths(region: Uint8Array, width: number, height: number): Uint32Array {
  const depth = new Uint32Array(region.length);
  const at = (x: number, y: number) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : depth[y * width + x]!);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!region[y * width + x]) continue;
      depth[y * width + x] = 1 + Math.min(at(x - 1, y), at(x - 1, y - 1), at(x, y - 1), at(x + 1, y - 1));
    }
  }
  for (let y = height - 1; y >= 0; y--) {
    for (let x = width - 1; x >= 0; x--) {
      const i = y * width + x;
      if (!region[i]) continue;
      depth[i] = Math.min(depth[i]!, 1 + Math.min(at(x + 1, y), at(x + 1, y + 1), at(x, y + 1), at(x - 1, y + 1)));
    }
  }
  return depth;
}

/** The pixel of a region that is farthest from its edge and from the picture's border: where a person would click. */
export function innermostPoint(region: Uint8Array, width: number, height: number): { point: Point; depth: number } {
  const depth = depths(region, width, height);
  let best = 0;
  for (let i = 1; i < depth.length; i++) if (depth[i]! > depth[best]!) best = i;
  return { point: [best % width, Math.floor(best / width)], depth: depth[best]! };
}

/** A mask after a click. */
export interface ClickedMask {
  /** All clicks so far: 1 on the object, 0 beside it. */
  points: readonly Point[];
  labels: readonly number[];
  mask: Rle;
  /** IoU with the true mask. */
  iou: number;
}

/**
 * Clicks on one object of the segmenter's image: in the middle of its true mask, then each time in the middle of the widest error, on the object
 * or beside it. Ends where there is no error any more.
 * @param object 1 where the object is, rows from the top
 */
export async function* clickOn(
  segmenter: Segmenter,
  object: Uint8Array,
  { width, height }: { width: number; height: number },
  { signal }: { signal?: AbortSignal } = {},
): AsyncGenerator<ClickedMask, void, undefined> {
  const wanted = encodeRle(object, width, height);
  const points: Point[] = [];
  const labels: number[] = [];
  let current: Uint8Array = new Uint8Array(object.length);
  while (true) {
    const missing = object.map((inside, i) => (inside && !current[i] ? 1 : 0));
    const excess = current.map((inside, i) => (inside && !object[i] ? 1 : 0));
    const [inside, beside] = [missing, excess].map((region) => innermostPoint(region, width, height));
    const label = inside!.depth >= beside!.depth ? 1 : 0;
    const { point, depth } = label ? inside! : beside!;
    if (depth === 0) return;
    points.push(point);
    labels.push(label);
    const [found] = await segmenter.predict({ points: [...points], labels: [...labels] }, { refine: true, signal });
    if (!found) return;
    current = decodeRle(found.mask);
    yield { points: [...points], labels: [...labels], mask: found.mask, iou: rleIou(found.mask, wanted) };
  }
}

/**
 * Masks from simulated clicks, for evaluation: SAM-Track's protocol of DAVIS scores with clicks instead of given masks.
 *
 * Each object is clicked in the middle of its true mask, and then in the middle of the widest error, positively or negatively, until the mask is good
 * enough or the clicks are used up; the best mask counts. Small objects lie over large ones.
 * @param truth the true masks of the picture
 */
export async function simulateClicks(
  segmenter: Segmenter,
  image: RgbaImage,
  truth: LabelMap,
  { clicks = 3, goodEnough = 0.9, signal }: ClickOptions = {},
): Promise<{ labels: LabelMap; objects: ClickedObject[] }> {
  const { width, height, data } = truth;
  await segmenter.setImage(image, { signal });
  const found: { id: number; mask: Rle }[] = [];
  const objects: ClickedObject[] = [];
  for (const id of labelIds(truth)) {
    const object = Uint8Array.from(data, (value) => (value === id ? 1 : 0));
    const clicked: ClickedObject = { id, points: [], labels: [], iou: 0 };
    let best: Rle | undefined;
    for await (const { points, labels, mask, iou } of clickOn(segmenter, object, truth, { signal })) {
      Object.assign(clicked, { points, labels });
      if (iou > clicked.iou) [clicked.iou, best] = [iou, mask];
      if (points.length >= clicks || clicked.iou >= goodEnough) break;
    }
    if (best) found.push({ id, mask: best });
    objects.push(clicked);
  }
  const labels = emptyLabelMap(width, height);
  for (const { id, mask } of canonicalOrder(found)) {
    const pixels = decodeRle(mask);
    for (let i = 0; i < pixels.length; i++) if (pixels[i]) labels.data[i] = id;
  }
  return { labels, objects };
}
