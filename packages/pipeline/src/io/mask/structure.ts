/** How the pixels of one value lie in a picture. */
export interface ValueStructure {
  /** Pixels. */
  area: number;
  /** Pixels whose neighbours all have the value: regions have them, edges do not. */
  interior: number;
  /** Pixels between neighbours of other values on both sides of theirs, in every channel: edges that were smoothed have them. */
  between: number;
}

/** Neighbours that count: the eight around, and the next ones along rows and columns, since a smooth edge may keep a value for two pixels. */
const AROUND = [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => [dx, dy] as const)).filter(([x, y]) => x || y);
const NEXT = [
  [-2, 0],
  [2, 0],
  [0, -2],
  [0, 2],
] as const;

/**
 * How the pixels of each value lie.
 * @param values numbers of up to three bytes; `bytewise` compares each byte on its own, as colours want it
 */
export function structureOf(
  values: Uint16Array | Uint32Array,
  width: number,
  height: number,
  bytewise: boolean,
): Map<number, ValueStructure> {
  const all = new Map<number, ValueStructure>();
  const shifts = bytewise ? [0, 8, 16] : [0];
  const mask = bytewise ? 255 : 0xffffff;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const value = values[i]!;
      let entry = all.get(value);
      if (!entry) all.set(value, (entry = { area: 0, interior: 0, between: 0 }));
      entry.area++;
      let others = 0;
      for (const [dx, dy] of AROUND) {
        const [u, v] = [x + dx, y + dy];
        if (u >= 0 && u < width && v >= 0 && v < height && values[v * width + u] !== value) others++;
      }
      if (others === 0) entry.interior++;
      else if (isBetween(values, width, height, x, y, shifts, mask)) entry.between++;
    }
  }
  return all;
}

function isBetween(
  values: Uint16Array | Uint32Array,
  width: number,
  height: number,
  x: number,
  y: number,
  shifts: readonly number[],
  mask: number,
): boolean {
  const value = values[y * width + x]!;
  let strictly = false;
  for (const shift of shifts) {
    const own = (value >> shift) & mask;
    let [low, high] = [own, own];
    let [least, most] = [Number.POSITIVE_INFINITY, -1];
    for (const [dx, dy] of [...AROUND, ...NEXT]) {
      const [u, v] = [x + dx, y + dy];
      if (u < 0 || u >= width || v < 0 || v >= height) continue;
      const other = values[v * width + u]!;
      if (other === value) continue;
      const part = (other >> shift) & mask;
      if (part < low) low = part;
      if (part > high) high = part;
      if (part < least) least = part;
      if (part > most) most = part;
    }
    if (own < least || own > most) return false;
    if (low < own && own < high) strictly = true;
  }
  return strictly;
}
