/** What lies between black and white in a picture of both, and how black and white meet where nothing does. */
export interface EdgeEvidence {
  /** Pixels of a middle level: more than a tenth from black and from white, where neither ringing nor noise of compression reaches. */
  middle: number;
  /** How many middle levels there are. */
  levels: number;
  /** Share of middle pixels whose eight neighbours all have their level: objects have an inside, edges do not. */
  inside: number;
  /** Share of middle pixels in pieces of one level that turn a corner: a thin object does, while the level of a soft edge follows its slope. */
  bent: number;
  /** Of how many levels these are: a wide soft edge has many, one beside the other. */
  bentLevels: number;
  /** How many levels form straight runs. Soft corners of a rectangle have a level of their own, without any. */
  straightLevels: number;
  /**
   * Pixels of straight runs that have no like on the opposite side, as a share of all middle pixels: those whose lighter side is above beside those
   * whose is below, left beside right. A rectangle that lies between pixels has soft edges on both sides, a thin object lies on one.
   */
  oneSided: number;
  /** Share of middle pixels with something darker and something lighter within two pixels: those of a soft edge have both. */
  between: number;
  /** Stairs of black and white alone, as slanted and round edges have them that were not smoothed. */
  hardSteps: number;
  /** All corners of the outline, cut in the middle. */
  corners: number;
  /** Length of the outline, cut in the middle, in sides of pixels. */
  outline: number;
}

/** Pixels that a stair's two corners are apart at most: further ones are corners of rectangles. */
const STEP = 3;

/**
 * How levels between black and white lie.
 * @param values 0 is black
 * @param white the level of white; lighter ones count as white
 */
export function edgeEvidence(values: Uint16Array, width: number, height: number, white: number): EdgeEvidence {
  const [low, high] = [0.1 * white, 0.9 * white];
  const isMiddle = (value: number) => value > low && value < high;
  const seen = new Set<number>();
  let [middle, inside, between] = [0, 0, 0];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const own = values[i]!;
      if (!isMiddle(own)) continue;
      middle++;
      seen.add(own);
      let [flat, darker, lighter] = [true, false, false];
      for (let v = Math.max(0, y - 2); v <= Math.min(height - 1, y + 2); v++) {
        for (let u = Math.max(0, x - 2); u <= Math.min(width - 1, x + 2); u++) {
          const other = values[v * width + u]!;
          if (other < own) darker = true;
          if (other > own) lighter = true;
          if (other !== own && Math.abs(u - x) < 2 && Math.abs(v - y) < 2) flat = false;
        }
      }
      if (flat) inside++;
      if (darker && lighter) between++;
    }
  }
  const share = (count: number) => (middle === 0 ? 0 : count / middle);
  const bent = bentPieces(values, width, height, isMiddle);
  const straight = straightRuns(values, width, height, (value) => value > 0 && value < white);
  return {
    middle,
    levels: seen.size,
    inside: share(inside),
    bent: share(bent.area),
    bentLevels: bent.levels,
    straightLevels: straight.levels,
    oneSided: share(straight.oneSided),
    between: share(between),
    ...outlineOf(values, width, height, white),
  };
}

/** Pixels in pieces of one level, joined by sides, that extend over three rows and three columns at least. */
function bentPieces(
  values: Uint16Array,
  width: number,
  height: number,
  isMiddle: (value: number) => boolean,
): { area: number; levels: number } {
  const levels = new Set<number>();
  const seen = new Uint8Array(values.length);
  const stack: number[] = [];
  let bent = 0;
  for (let start = 0; start < values.length; start++) {
    const level = values[start]!;
    if (seen[start] || !isMiddle(level)) continue;
    let [area, left, right, top, bottom] = [0, width, 0, height, 0];
    const visit = (at: number) => {
      if (seen[at] || values[at] !== level) return;
      seen[at] = 1;
      stack.push(at);
    };
    visit(start);
    while (stack.length > 0) {
      const at = stack.pop()!;
      const [x, y] = [at % width, Math.floor(at / width)];
      area++;
      [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
      if (x > 0) visit(at - 1);
      if (x + 1 < width) visit(at + 1);
      if (y > 0) visit(at - width);
      if (y + 1 < height) visit(at + width);
    }
    if (right - left < 2 || bottom - top < 2) continue;
    bent += area;
    levels.add(level);
  }
  return { area: bent, levels: levels.size };
}

/** Levels of straight runs, and by how many of their pixels one side exceeds the opposite one. */
function straightRuns(
  values: Uint16Array,
  width: number,
  height: number,
  isEdge: (value: number) => boolean,
): { levels: number; oneSided: number } {
  const levels = new Set<number>();
  const sides = { up: 0, down: 0, left: 0, right: 0 };
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const at = y * width + x;
      const own = values[at]!;
      if (!isEdge(own)) continue;
      const [left, right, up, down] = [values[at - 1]!, values[at + 1]!, values[at - width]!, values[at + width]!];
      const side =
        left === own && right === own && up !== down
          ? up > down
            ? 'up'
            : 'down'
          : up === own && down === own && left !== right
            ? left > right
              ? 'left'
              : 'right'
            : undefined;
      if (!side) continue;
      sides[side]++;
      levels.add(own);
    }
  }
  return { levels: levels.size, oneSided: Math.abs(sides.up - sides.down) + Math.abs(sides.left - sides.right) };
}

/** The outline's length, its corners, and those that are hard stairs. */
function outlineOf(
  values: Uint16Array,
  width: number,
  height: number,
  white: number,
): Pick<EdgeEvidence, 'hardSteps' | 'corners' | 'outline'> {
  const isOn = (at: number) => values[at]! >= white / 2;
  let [outline, corners, hardSteps] = [0, 0, 0];
  /** Of the four pixels down and right of this one: 1 white, three black; -1 the reverse; 0 anything else. */
  const hardCorner = (x: number, y: number): number => {
    let [blacks, whites] = [0, 0];
    for (const at of [y * width + x, y * width + x + 1, (y + 1) * width + x, (y + 1) * width + x + 1]) {
      if (values[at] === 0) blacks++;
      else if (values[at]! >= white) whites++;
    }
    return blacks === 3 && whites === 1 ? 1 : blacks === 1 && whites === 3 ? -1 : 0;
  };
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const [right, down] = [x + 1 < width, y + 1 < height];
      if (right && isOn(i) !== isOn(i + 1)) outline++;
      if (down && isOn(i) !== isOn(i + width)) outline++;
      if (!right || !down) continue;
      const on = +isOn(i) + +isOn(i + 1) + +isOn(i + width) + +isOn(i + width + 1);
      if (on !== 1 && on !== 3) continue;
      corners++;
      if (hardCorner(x, y) === 1 && hasStep(x, y)) hardSteps++;
    }
  }
  function hasStep(x: number, y: number): boolean {
    for (let v = Math.max(0, y - STEP); v <= Math.min(height - 2, y + STEP); v++) {
      for (let u = Math.max(0, x - STEP); u <= Math.min(width - 2, x + STEP); u++) {
        if (hardCorner(u, v) === -1) return true;
      }
    }
    return false;
  }
  return { hardSteps, corners, outline };
}
