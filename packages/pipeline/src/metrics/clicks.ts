import type { Point, Segmenter } from '../assist/index.js';
import { canonicalOrder, rleIou } from '../discovery/candidate.js';
import type { RgbaImage } from '../io/image-source.js';
import { emptyLabelMap, type LabelMap, labelIds } from '../io/label-map.js';
import { decodeRle, encodeRle, type Rle } from '../io/rle.js';

/** Options of `simulateClicks`. */
export interface ClickOptions {
  /** Most clicks for each object; default 3. */
  clicks?: number | undefined;
  /** IoU with the true mask from which no more clicks are made; default 0.9. */
  goodEnough?: number | undefined;
  signal?: AbortSignal | undefined;
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

/** Lower envelope of parabolas: squared distances along a line, in place (Felzenszwalb and Huttenlocher 2012). */
function squaredDistances(
  line: Float64Array,
  count: number,
  scratch: { starts: Float64Array; apexes: Int32Array; heights: Float64Array },
): void {
  const { starts, apexes, heights } = scratch;
  let last = 0;
  apexes[0] = 0;
  starts[0] = -Infinity;
  starts[1] = Infinity;
  for (let q = 0; q < count; q++) heights[q] = line[q]!;
  const meets = (p: number, q: number) => (heights[q]! + q * q - heights[p]! - p * p) / (2 * (q - p));
  for (let q = 1; q < count; q++) {
    let at = meets(apexes[last]!, q);
    while (at <= starts[last]!) at = meets(apexes[--last]!, q);
    apexes[++last] = q;
    starts[last] = at;
    starts[last + 1] = Infinity;
  }
  for (let q = 0, k = 0; q < count; q++) {
    while (starts[k + 1]! < q) k++;
    line[q] = (q - apexes[k]!) ** 2 + heights[apexes[k]!]!;
  }
}

/** Squared Euclidean distance of each pixel of a region to the nearest one that is outside of it; what lies beyond the picture is outside. */
function squaredDepths(region: Uint8Array, width: number, height: number): Float64Array {
  // A frame of outside pixels, so that borders count; far is more than any distance, and finite.
  const [w, h] = [width + 2, height + 2];
  const far = w * w + h * h;
  const depth = new Float64Array(w * h);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) if (region[y * width + x]) depth[(y + 1) * w + x + 1] = far;
  }
  const longer = Math.max(w, h);
  const line = new Float64Array(longer);
  const scratch = {
    starts: new Float64Array(longer + 1),
    apexes: new Int32Array(longer),
    heights: new Float64Array(longer),
  };
  const along = (count: number, base: number, step: number) => {
    for (let i = 0; i < count; i++) line[i] = depth[base + i * step]!;
    squaredDistances(line, count, scratch);
    for (let i = 0; i < count; i++) depth[base + i * step] = line[i]!;
  };
  for (let x = 0; x < w; x++) along(h, x, w);
  for (let y = 0; y < h; y++) along(w, y * w, 1);
  const out = new Float64Array(region.length);
  for (let y = 0; y < height; y++) out.set(depth.subarray((y + 1) * w + 1, (y + 1) * w + 1 + width), y * width);
  return out;
}

/**
 * The pixel of a region that is farthest from its edge and from the picture's border, the maximum of its distance transform: where a person
 * would click. The first of several.
 * @returns the pixel, and its Euclidean distance to the nearest pixel outside; 0 for an empty region
 */
export function innermostPoint(region: Uint8Array, width: number, height: number): { point: Point; depth: number } {
  const depths = squaredDepths(region, width, height);
  let best = 0;
  for (let i = 1; i < depths.length; i++) if (depths[i]! > depths[best]!) best = i;
  return { point: [best % width, Math.floor(best / width)], depth: Math.sqrt(depths[best]!) };
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
  { signal }: { signal?: AbortSignal | undefined } = {},
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
