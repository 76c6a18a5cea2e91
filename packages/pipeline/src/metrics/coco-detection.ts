/** Scores of detected boxes as COCO defines them (Lin et al., "Microsoft COCO", 2014; cocoapi, `pycocotools/cocoeval.py`, boxes). */

/** A true box: left, top, width, height. */
export interface CocoAnnotation {
  readonly image_id: number;
  readonly category_id: number;
  readonly bbox: readonly [x: number, y: number, width: number, height: number];
  /** Of the object in pixels, which decides whether it is small, medium or large. */
  readonly area: number;
  /** 1 for a region of many objects: what is found in it counts neither way. */
  readonly iscrowd?: number;
}

/** A detected box, as result files hold it. */
export interface CocoResult {
  readonly image_id: number;
  readonly category_id: number;
  readonly bbox: readonly [x: number, y: number, width: number, height: number];
  readonly score: number;
}

/** Mean average precision and mean recall, 0..1; -1 where there is no object of the kind. */
export interface CocoScores {
  /** Over the IoU thresholds .5 to .95. */
  ap: number;
  ap50: number;
  ap75: number;
  /** Objects of less than 32^2 pixels, of less than 96^2, and the rest. */
  apSmall: number;
  apMedium: number;
  apLarge: number;
  /** Recall of the best 1, 10 and 100 boxes of an image and category. */
  ar1: number;
  ar10: number;
  ar100: number;
  arSmall: number;
  arMedium: number;
  arLarge: number;
}

const IOU_THRESHOLDS = Array.from({ length: 10 }, (_, i) => (i === 9 ? 0.95 : 0.5 + i * (0.45 / 9)));
const RECALLS = Array.from({ length: 101 }, (_, i) => i * 0.01);
const MOST_DETECTIONS = 100;
const AREAS = { all: [0, 1e10], small: [0, 32 ** 2], medium: [32 ** 2, 96 ** 2], large: [96 ** 2, 1e10] } as const;
type Area = readonly [least: number, most: number];

/** One image's detections of a category, best first, and what became of them at each IoU threshold. */
interface Matches {
  scores: number[];
  /** [threshold][detection]: matched with an object. */
  matched: Uint8Array[];
  /** [threshold][detection]: counts neither way. */
  ignored: Uint8Array[];
  /** Objects that count. */
  objects: number;
}

/** True and detected boxes of one category in one image. */
interface Cell {
  truth: CocoAnnotation[];
  found: CocoResult[];
  /** [detection][object], detections best first. */
  ious: number[][];
}

/**
 * Scores detections on the images given; others are left out of truth and results.
 * @param imageIds In ascending order of their ids, as ties between equal scores are decided by it.
 */
export function evaluateCocoBoxes(
  truth: readonly CocoAnnotation[],
  results: readonly CocoResult[],
  imageIds: readonly number[],
): CocoScores {
  const images = [...new Set(imageIds)].sort((a, b) => a - b);
  const cells = groupCells(truth, results, new Set(images));
  const categories = [...new Set(truth.map(({ category_id }) => category_id))].sort((a, b) => a - b);
  // A category's curves, or nothing where it has no object of the kind.
  const curves = (area: Area, most: number) =>
    categories.flatMap((category) => {
      const matches = images.flatMap((image) => {
        const cell = cells.get(`${category} ${image}`);
        return cell ? [match(cell, area, most)] : [];
      });
      return accumulate(matches);
    });
  const all = curves(AREAS.all, MOST_DETECTIONS);
  const [small, medium, large] = [AREAS.small, AREAS.medium, AREAS.large].map((area) => curves(area, MOST_DETECTIONS));
  const recall = (of: Curve[]) => mean(of.map(({ recall }) => recall));
  const precision = (of: Curve[]) => mean(of.map(({ precision }) => precision));
  return {
    ap: precision(all),
    ap50: precision(all.filter(({ threshold }) => threshold === 0)),
    ap75: precision(all.filter(({ threshold }) => threshold === 5)),
    apSmall: precision(small!),
    apMedium: precision(medium!),
    apLarge: precision(large!),
    ar1: recall(curves(AREAS.all, 1)),
    ar10: recall(curves(AREAS.all, 10)),
    ar100: recall(all),
    arSmall: recall(small!),
    arMedium: recall(medium!),
    arLarge: recall(large!),
  };
}

const mean = (values: readonly number[]): number =>
  values.length === 0 ? -1 : values.reduce((sum, value) => sum + value, 0) / values.length;

function groupCells(
  truth: readonly CocoAnnotation[],
  results: readonly CocoResult[],
  images: ReadonlySet<number>,
): Map<string, Cell> {
  const cells = new Map<string, Cell>();
  const cellOf = ({ category_id, image_id }: { category_id: number; image_id: number }) => {
    const key = `${category_id} ${image_id}`;
    let cell = cells.get(key);
    if (!cell) cells.set(key, (cell = { truth: [], found: [], ious: [] }));
    return cell;
  };
  for (const one of truth) if (images.has(one.image_id)) cellOf(one).truth.push(one);
  for (const one of results) if (images.has(one.image_id)) cellOf(one).found.push(one);
  for (const cell of cells.values()) {
    cell.found = cell.found.sort((a, b) => b.score - a.score).slice(0, MOST_DETECTIONS);
    cell.ious = cell.found.map((found) => cell.truth.map((object) => iou(found.bbox, object)));
  }
  return cells;
}

/** Intersection over union; over the detection's own area where the truth is a crowd. */
function iou([x, y, width, height]: CocoResult['bbox'], { bbox, iscrowd }: CocoAnnotation): number {
  const across = Math.min(x + width, bbox[0] + bbox[2]) - Math.max(x, bbox[0]);
  const down = Math.min(y + height, bbox[1] + bbox[3]) - Math.max(y, bbox[1]);
  if (across <= 0 || down <= 0) return 0;
  const shared = across * down;
  return shared / (width * height + (iscrowd ? 0 : bbox[2] * bbox[3] - shared));
}

/** Gives each detection, best first, the object that it overlaps most and that no better one has; objects that count go first. */
function match({ truth, found, ious }: Cell, [least, most]: Area, limit: number): Matches {
  const outside = (area: number) => area < least || area > most;
  const skipped = truth.map(({ iscrowd, area }) => Boolean(iscrowd) || outside(area));
  const order = truth.map((_, object) => object).sort((a, b) => Number(skipped[a]) - Number(skipped[b]));
  const detections = found.slice(0, limit);
  const table = () => IOU_THRESHOLDS.map(() => new Uint8Array(detections.length));
  const [matched, ignored] = [table(), table()];
  for (const [t, threshold] of IOU_THRESHOLDS.entries()) {
    const taken = new Uint8Array(truth.length);
    for (const [d, { bbox }] of detections.entries()) {
      let best = -1;
      let overlap = Math.min(threshold, 1 - 1e-10);
      for (const object of order) {
        if (taken[object] && !truth[object]!.iscrowd) continue;
        if (best >= 0 && !skipped[best] && skipped[object]) break;
        if (ious[d]![object]! < overlap) continue;
        overlap = ious[d]![object]!;
        best = object;
      }
      if (best >= 0) {
        taken[best] = 1;
        matched[t]![d] = 1;
      }
      ignored[t]![d] = Number(best >= 0 ? skipped[best] : outside(bbox[2] * bbox[3]));
    }
  }
  const objects = skipped.filter((skip) => !skip).length;
  return { scores: detections.map(({ score }) => score), matched, ignored, objects };
}

/** Of one category at one IoU threshold. */
interface Curve {
  threshold: number;
  /** Mean precision at 101 recalls. */
  precision: number;
  /** Highest recall. */
  recall: number;
}

/** Precision over recall of a category in all images, at each IoU threshold. */
function accumulate(images: readonly Matches[]): Curve[] {
  const objects = images.reduce((sum, image) => sum + image.objects, 0);
  if (objects === 0) return [];
  const ranked = images
    .flatMap(({ scores }, image) => scores.map((score, detection) => ({ score, image, detection })))
    .sort((a, b) => b.score - a.score);
  return IOU_THRESHOLDS.map((_, threshold) => {
    const [recalls, precisions]: [number[], number[]] = [[], []];
    let [right, wrong] = [0, 0];
    for (const { image, detection } of ranked) {
      const { matched, ignored } = images[image]!;
      if (!ignored[threshold]![detection]) matched[threshold]![detection] ? right++ : wrong++;
      recalls.push(right / objects);
      precisions.push(right / (right + wrong + Number.EPSILON));
    }
    // What a lower threshold of the score gains is never counted as a loss.
    for (let i = precisions.length - 1; i > 0; i--) {
      precisions[i - 1] = Math.max(precisions[i - 1]!, precisions[i]!);
    }
    let at = 0;
    const sampled = RECALLS.map((recall) => {
      while (at < recalls.length && recalls[at]! < recall) at++;
      return precisions[at] ?? 0;
    });
    return { threshold, precision: mean(sampled), recall: recalls.at(-1) ?? 0 };
  });
}
