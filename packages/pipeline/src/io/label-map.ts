import { bytesDigest } from './content-digest.js';

/** Which object each pixel belongs to. */
export interface LabelMap {
  width: number;
  height: number;
  /** Object ids, `width * height`, rows from the top; 0 is background. */
  data: Uint16Array;
}

/** A label map of background only. */
export const emptyLabelMap = (width: number, height: number): LabelMap => ({
  width,
  height,
  data: new Uint16Array(width * height),
});

/** The ids present, ascending, background left out. */
export function labelIds({ data }: LabelMap): number[] {
  const seen = new Uint8Array(65536);
  for (let i = 0; i < data.length; i++) seen[data[i]!] = 1;
  const ids: number[] = [];
  for (let id = 1; id < seen.length; id++) if (seen[id]) ids.push(id);
  return ids;
}

/** The largest id present, 0 for background only. */
export function maxLabelId({ data }: LabelMap): number {
  let max = 0;
  for (let i = 0; i < data.length; i++) if (data[i]! > max) max = data[i]!;
  return max;
}

/** Changes every id in place; 0 stays. */
export function relabel({ data }: LabelMap, change: (id: number) => number): void {
  const table = new Int32Array(65536).fill(-1);
  table[0] = 0;
  for (let i = 0; i < data.length; i++) {
    const id = data[i]!;
    if (table[id]! < 0) table[id] = change(id);
    data[i] = table[id]!;
  }
}

/**
 * Nearest-neighbour resize in PyTorch's legacy convention, `source = floor(target * in / out)`: the one label maps take
 * on their way into the network.
 */
export function resizeLabelMap(map: LabelMap, width: number, height: number): LabelMap {
  const out = emptyLabelMap(width, height);
  const columns = Uint32Array.from({ length: width }, (_, x) => Math.floor((x * map.width) / width));
  for (let y = 0; y < height; y++) {
    const source = Math.floor((y * map.height) / height) * map.width;
    for (let x = 0; x < width; x++) out.data[y * width + x] = map.data[source + columns[x]!]!;
  }
  return out;
}

/** By what masks are known again, however their file stores them: see `contentDigest`. */
export function labelDigest({ width, height, data }: LabelMap): Promise<string> {
  const bytes = new Uint8Array(8 + 2 * data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  for (let i = 0; i < data.length; i++) view.setUint16(8 + 2 * i, data[i]!);
  return bytesDigest(bytes);
}
