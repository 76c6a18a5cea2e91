/** A mask with small regions removed. */
export interface CleanedMask {
  /** 0 or 1 a pixel. */
  data: Uint8Array;
  /** Whether anything was removed. */
  changed: boolean;
}

/** Connected components of equal pixels. */
interface Components {
  /** For each pixel that belongs to one, its component from 1 on; 0 elsewhere. */
  labels: Int32Array;
  /** Pixels of each component; index 0 is unused. */
  areas: number[];
}

/** Components of the pixels that equal `colour`, also over corners, by two passes with a forest of provisional labels. */
export function components8(mask: ArrayLike<number>, width: number, height: number, colour: 0 | 1): Components {
  const labels = new Int32Array(width * height);
  const parents = [0];
  const root = (label: number): number => {
    while (parents[label] !== label) {
      parents[label] = parents[parents[label]!]!;
      label = parents[label]!;
    }
    return label;
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if ((mask[i] ? 1 : 0) !== colour) continue;
      let label = 0;
      const join = (neighbour: number): void => {
        if (neighbour === 0) return;
        const other = root(neighbour);
        if (label === 0) label = other;
        else if (other !== label) {
          const [low, high] = label < other ? [label, other] : [other, label];
          parents[high] = low;
          label = low;
        }
      };
      if (x > 0) join(labels[i - 1]!);
      if (y > 0) {
        if (x > 0) join(labels[i - width - 1]!);
        join(labels[i - width]!);
        if (x + 1 < width) join(labels[i - width + 1]!);
      }
      if (label === 0) label = parents.push(parents.length) - 1;
      labels[i] = label;
    }
  }
  const numbers = new Int32Array(parents.length);
  const areas = [0];
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] === 0) continue;
    const label = root(labels[i]!);
    if (numbers[label] === 0) numbers[label] = areas.push(0) - 1;
    labels[i] = numbers[label]!;
    areas[numbers[label]!]!++;
  }
  return { labels, areas };
}

/** Fills holes: components of background below `least` pixels become foreground. */
export function fillHoles(mask: Uint8Array, width: number, height: number, least: number): CleanedMask {
  const { labels, areas } = components8(mask, width, height, 0);
  if (!areas.some((area, label) => label > 0 && area < least)) return { data: mask, changed: false };
  return { data: mask.map((pixel, i) => (labels[i]! > 0 && areas[labels[i]!]! < least ? 1 : pixel)), changed: true };
}

/**
 * Removes islands: components of foreground below `least` pixels become background. Where all are, the largest stays
 * (the first of several).
 */
export function removeIslands(mask: Uint8Array, width: number, height: number, least: number): CleanedMask {
  const { labels, areas } = components8(mask, width, height, 1);
  if (!areas.some((area, label) => label > 0 && area < least)) return { data: mask, changed: false };
  const keep = areas.map((area, label) => label > 0 && area >= least);
  if (!keep.includes(true)) keep[areas.indexOf(Math.max(...areas.slice(1)), 1)] = true;
  return { data: mask.map((_, i) => (keep[labels[i]!] ? 1 : 0)), changed: true };
}
