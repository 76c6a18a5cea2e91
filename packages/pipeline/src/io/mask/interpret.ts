import { MaskError } from '../errors.js';
import type { LabelMap } from '../label-map.js';
import { type PaletteName, palette } from '../palette.js';
import { type EdgeEvidence, edgeEvidence } from './edges.js';
import { type LossyKind, type MaskPicture, pack } from './picture.js';
import { structureOf, type ValueStructure } from './structure.js';

/** How a mask can be read: see `ReadMaskOptions.as`. */
export const MASK_READINGS = ['labels', 'binary', 'colours', 'alpha'] as const;
/** A way to read a mask file, a name of `--mask-as`. */
export type MaskReadingName = (typeof MASK_READINGS)[number];

/** What a mask file means. */
export interface MaskReading {
  as: MaskReadingName;
  labels: LabelMap;
  /** For people: how many objects, and what was not obvious. */
  meaning: string;
}

/** Colours that masks may have; more means a photo, or lossy compression. */
const MAX_COLOURS = 255;
/** Numbers that data sets give to objects; 255 beside them is void. */
const DATA_SET_IDS = 31;
const VOID = 255;
/** Values that a label map may have, too: a reading as soft edges then names the option that keeps them. */
const FEW_LEVELS = DATA_SET_IDS + 1;
const FULL_SCALE = 255;
/** Palettes of data sets. */
const KNOWN_PALETTES = ['voc', 'davis'] as const satisfies readonly PaletteName[];
/** How far lossy compression moves black and white, as a share of white. */
const NOISE = 0.16;
/** How far blocks of the background are apart in WebP and AVIF, as a share of white: 2 of 255, rarely more. In JPEG they are equal. */
const BLOCK_NOISE = 0.01;

const shareOf = (entries: readonly ValueStructure[], key: 'interior' | 'between') => {
  const area = entries.reduce((sum, entry) => sum + entry.area, 0);
  return area === 0 ? 0 : entries.reduce((sum, entry) => sum + entry[key], 0) / area;
};

const channels = (colour: number) => [colour >> 16, (colour >> 8) & 255, colour & 255] as const;
const brightest = (colour: number) => Math.max(...channels(colour));
/** Whether a colour is grey; noise of lossy compression tints it a little. */
const isGrey = (colour: number, tolerance = 0) => {
  const [r, g, b] = channels(colour);
  return Math.max(r, g, b) - Math.min(r, g, b) <= tolerance;
};
const dot = (a: number, b: number) => {
  const [p, q] = [channels(a), channels(b)];
  return p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
};
const isBlack = (colour: number) => brightest(colour) <= 8;
const distance = (a: number, b: number) => {
  const [p, q] = [channels(a), channels(b)];
  return Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
};

const coloursOf = (which: PaletteName): Uint32Array => {
  const entries = palette(which);
  return Uint32Array.from({ length: 256 }, (_, id) =>
    pack(entries[3 * id]!, entries[3 * id + 1]!, entries[3 * id + 2]!),
  );
};

const ambiguous = (name: string, message: string) => new MaskError('ambiguous', name, message);
const countOf = (count: number) => (count === 1 ? 'one object' : `${count} objects`);

/**
 * What a mask file means, from its pixels alone.
 *
 * - Transparent pixels (alpha below one half, in any kind of file) are background. If the rest has one colour, or is a photo, its shape is the
 *   object: `alpha`.
 * - `binary`: one number besides 0 and the largest one, or black and white with soft edges between them (resized, supersampled, blurred, JPEG):
 *   one object, cut in the middle.
 * - `labels`: palette indices or grey values are ids. 255 beside ids up to 31, as data sets have them, or with the palette's colour of void, is void.
 * - `colours`: colour files, and palettes whose black is not at 0: black is background, other colours are objects. Colours of the VOC and
 *   DAVIS palettes have their index as id, others 1, 2, ... in ascending 0xRRGGBB order.
 *
 * @param as reads it in this way, whatever it looks like
 * @param dataSet the file is an annotation of DAVIS, YouTube-VOS or VOC: values are ids, 255 is void
 * @throws MaskError `ambiguous` where two readings are equally good, `unsupported` where none is
 */
export function interpretMask(
  picture: MaskPicture,
  name: string,
  { as, dataSet = false }: { as?: MaskReadingName; dataSet?: boolean } = {},
): MaskReading {
  const { width, height } = picture;
  const result = (ids: Uint16Array, kind: MaskReadingName, more = ''): MaskReading => {
    const seen = new Set(ids);
    seen.delete(0);
    return { as: kind, labels: { width, height, data: ids }, meaning: `${countOf(seen.size)}${more}` };
  };
  if (as) return readAs(picture, name, as, result);
  const { values, opaque } = picture;
  if (opaque && !opaque.includes(1)) {
    throw new MaskError('no-objects', name, 'every pixel is transparent: the mask has no objects');
  }
  if (values && dataSet) return readDataSet(values, opaque, result);
  if (opaque) {
    const shown = coloursWithin(picture.colours(), opaque);
    if (shown.size === 1 || shown.size > (values ? 64 : MAX_COLOURS)) {
      return result(Uint16Array.from(opaque), 'alpha', ': its alpha channel is the mask');
    }
  }
  if (values && !picture.lossy) {
    const grey = greyValues(picture, values);
    if (grey) {
      const soft = readSoft(grey.values, grey.max, picture, name, result);
      if (soft) return soft;
    }
    if (!picture.palette || !hasBlackElsewhere(picture.palette, values, opaque)) {
      return readLabels(picture, values, name, result);
    }
    if (grey) return readGrey({ ...picture, palette: undefined, max: grey.max }, grey.values, name, result);
  }
  return readColours(picture, name, result);
}

type Result = (ids: Uint16Array, kind: MaskReadingName, more?: string) => MaskReading;

const cut = (values: Uint16Array, threshold: number) => values.map((value) => (value >= threshold ? 1 : 0));

function coloursWithin(colours: Uint32Array, opaque: Uint8Array | undefined): Set<number> {
  const seen = new Set<number>();
  for (let i = 0; i < colours.length; i++) if (!opaque || opaque[i]) seen.add(colours[i]!);
  return seen;
}

/** Values with 0 where pixels are transparent. */
const shownValues = (values: Uint16Array, opaque: Uint8Array | undefined): Uint16Array =>
  opaque ? values.map((value, i) => (opaque[i] ? value : 0)) : values;

/** Grey values of a grey file, or of a palette file whose used colours are all grey. */
function greyValues(
  { max, palette: entries, opaque }: MaskPicture,
  values: Uint16Array,
): { values: Uint16Array; max: number } | undefined {
  if (!entries) return { values: shownValues(values, opaque), max };
  const used = new Set(values);
  for (const index of used) if (!isGrey(entries[index] ?? 0)) return undefined;
  const grey = values.map((index) => (entries[index] ?? 0) & 255);
  return { values: shownValues(grey, opaque), max: 255 };
}

/** Whether black is used, and is not the colour of index 0: then indices are those of a program that has sorted colours, not ids. */
function hasBlackElsewhere(entries: Uint32Array, values: Uint16Array, opaque: Uint8Array | undefined): boolean {
  if (isBlack(entries[0] ?? 0)) return false;
  for (let i = 0; i < values.length; i++) {
    if ((!opaque || opaque[i]) && values[i] !== 0 && isBlack(entries[values[i]!] ?? 0)) return true;
  }
  return false;
}

/**
 * Whether levels beside black and white are noise of lossy compression: levels just below white lie among each other and white, levels just
 * above black on edges. Ids of objects have regions of their own instead.
 */
function isNoisy(values: Uint16Array, width: number, height: number, max: number, top: number): boolean {
  if (max < 255) return false;
  const structure = structureOf(values, width, height, false);
  if ((structure.get(0)?.interior ?? 0) === 0) return false;
  const nearWhite = (value: number) => value >= 0.92 * max;
  let [differs, near] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!nearWhite(value) || value === top) continue;
    for (const j of [i % width > 0 ? i - 1 : -1, (i + 1) % width > 0 ? i + 1 : -1, i - width, i + width]) {
      const other = values[j];
      if (other === undefined || other === value) continue;
      differs++;
      if (nearWhite(other)) near++;
    }
  }
  if (differs > 0) return near >= 0.5 * differs;
  const low = [...structure].filter(([level]) => level > 0 && level <= 0.08 * max);
  const structures = low.map(([, s]) => s);
  return low.length > 0 && shareOf(structures, 'interior') <= 0.2 && shareOf(structures, 'between') >= 0.4;
}

/** What is taken for black and white with soft edges: where it is cut, or that it may be something else as well. */
type Softness = { threshold: number; unclear: boolean };

/**
 * Whether a picture is black and white with soft edges; undefined if it is none.
 *
 * Levels between black and white then lie on edges only, each with a darker and a lighter neighbour, while objects of a label map have
 * an inside. Objects without one, a pixel or two wide, are told by their edges: see `edgeEvidence`. Noise of lossy compression is levelled first,
 * and few pixels may then lie between.
 */
function softness(
  values: Uint16Array,
  width: number,
  height: number,
  max: number,
  lossy: LossyKind | undefined,
): Softness | undefined {
  const levels = [...new Set(values)].sort((a, b) => a - b);
  const top = levels.at(-1)!;
  if (top < max / 2 || levels.length < 3) return undefined;
  const white = top >= 0.9 * max ? max : top;
  const noisy =
    lossy || isNoisy(values, width, height, max, top)
      ? noisySoftness(values, width, height, max, white, lossy === 'jpeg' ? 0 : BLOCK_NOISE)
      : undefined;
  return noisy ?? (lossy ? undefined : cleanSoftness(values, width, height, white, top, levels.length));
}

/**
 * Of a picture with noise of lossy compression.
 * @param blockNoise by how much, as a share of white, whole blocks of the background may differ
 */
function noisySoftness(
  values: Uint16Array,
  width: number,
  height: number,
  max: number,
  white: number,
  blockNoise: number,
): Softness | undefined {
  const margin = NOISE * max;
  const step = 0.12 * white;
  const levelled = values.map((value) =>
    value <= margin ? 0 : value >= white - margin ? white : Math.round(Math.round(value / step) * step),
  );
  const structure = structureOf(levelled, width, height, false);
  if (!structure.get(0)?.interior || !structure.get(white)?.interior) return undefined;
  const edges = edgeEvidence(levelled, width, height, white);
  if (edges.middle > 0.25 * values.length || edges.inside > 0.02) return undefined;
  const plain = plainAreas(values, width, height, margin, blockNoise * max);
  if (plain > Math.max(8, 0.1 * edges.outline)) return undefined;
  return {
    threshold: white / 2,
    unclear: (edges.bent > 0.35 && edges.bentLevels <= 3) || isOneSided(edges),
  };
}

/** Whether edges are straight and soft on one side only, which a thin object beside a rectangle looks like. */
const isOneSided = ({ levels, straightLevels, oneSided }: EdgeEvidence) =>
  levels <= 2 && levels <= straightLevels && oneSided > 0.4;

/**
 * Pixels of dark areas without any noise, beside those of the value that most of these have, and values near it: an object's, since compression
 * leaves about one value to all of the background that has no edge near.
 */
function plainAreas(values: Uint16Array, width: number, height: number, margin: number, near: number): number {
  const reach = 3;
  const areas = new Map<number, number>();
  for (let y = reach; y < height - reach; y++) {
    // How many pixels up to this one have columns of equal values, equal to each other.
    let run = 0;
    for (let x = 0; x < width; x++) {
      const own = values[y * width + x]!;
      let isPlain = own <= margin;
      for (let v = y - reach; isPlain && v <= y + reach; v++) isPlain = values[v * width + x] === own;
      run = !isPlain ? 0 : x > 0 && values[y * width + x - 1] === own ? run + 1 : 1;
      if (run > 2 * reach) areas.set(own, (areas.get(own) ?? 0) + 1);
    }
  }
  const [[background] = [0]] = [...areas].sort(([, a], [, b]) => b - a);
  return [...areas].reduce((sum, [value, size]) => sum + (Math.abs(value - background) > near ? size : 0), 0);
}

function cleanSoftness(
  values: Uint16Array,
  width: number,
  height: number,
  white: number,
  top: number,
  levels: number,
): Softness | undefined {
  const structure = structureOf(values, width, height, false);
  if (!structure.get(0)?.interior) return undefined;
  const hasCore = (structure.get(white) ?? structure.get(top)!).interior > 0;
  const mids = [...structure].filter(([level]) => level !== 0 && level !== white && level !== top).map(([, s]) => s);
  if (mids.some(({ interior, area }) => interior > 0.4 * area) || shareOf(mids, 'between') < 0.5) return undefined;
  const edges = edgeEvidence(values, width, height, white);
  // A thin line has soft edges, too, but no inside that would tell them from objects beside it.
  const isThin = !hasCore && levels <= FEW_LEVELS;
  if (isThin && (levels < 4 || edges.between < 0.9)) return undefined;
  if (edges.middle === 0 || edges.inside > 0.02) return undefined;
  if (edges.hardSteps >= 4 && edges.hardSteps > 0.08 * edges.corners) return undefined;
  return { threshold: white / 2, unclear: isThin || edges.bent > 0.4 || edges.between < 0.8 || isOneSided(edges) };
}

/** The one object of a black and white picture with soft edges; undefined for any other picture. */
function readSoft(
  values: Uint16Array,
  max: number,
  { width, height, lossy }: MaskPicture,
  name: string,
  result: Result,
): MaskReading | undefined {
  const soft = softness(values, width, height, max, lossy);
  if (!soft) return undefined;
  if (soft.unclear) throw lossy ? lossyError(name) : ambiguous(name, THIN);
  const few = new Set(values).size <= FEW_LEVELS;
  const more = few && !lossy ? '; --mask-as labels makes each value an object' : HARD_EDGES;
  return result(cut(values, soft.threshold), 'binary', `, soft edges, threshold ${Math.ceil(soft.threshold)}${more}`);
}

/** Whether several values occur only on edges between others: an edge of several objects was smoothed. */
function hasSmoothedEdges(structure: ReadonlyMap<number, ValueStructure>): boolean {
  const ground = structure.get(0);
  if (!ground || ground.interior < ground.area / 2) return false;
  const edges = [...structure].filter(([value, s]) => value !== 0 && s.interior === 0 && s.between >= 0.8 * s.area);
  return edges.length >= 3;
}

/**
 * Whether small ids in a row, such as 1, 2, 3, lead from one to the other wherever two others would meet, pixel by pixel: rounding leaves no other
 * trace of smoothing there.
 */
function hasRamps(ids: Uint16Array, width: number, height: number): boolean {
  const used = new Set(ids);
  if (used.size < 3 || used.size > DATA_SET_IDS || Math.max(...used) !== used.size - 1) return false;
  let [ramps, steps] = [0, 0];
  for (let y = 2; y < height - 2; y++) {
    for (let x = 2; x < width - 2; x++) {
      const at = y * width + x;
      const own = ids[at]!;
      for (const step of [1, width]) {
        const [before, after] = [ids[at - step]!, ids[at + step]!];
        if ((before < own && own < after) || (before > own && own > after)) ramps++;
        if (before === own && Math.abs(own - after) >= 2 && after === ids[at + 2 * step]) steps++;
      }
    }
  }
  return ramps >= 12 && steps < 0.3 * ramps;
}

const THIN =
  'what lies between black and white may be the soft edges of one object (--mask-as binary), or thin objects (--mask-as labels)';
const THIN_COLOURS =
  'shades between black and its colour may be the soft edges of one object (--mask-as binary), or thin objects (--mask-as colours)';
const HARD_EDGES = '; several objects need hard edges';
const SMOOTHED = 'its edges are smoothed between several objects; save it without smoothing, or say';

/** Palette indices or grey values as ids. */
function readLabels(picture: MaskPicture, values: Uint16Array, name: string, result: Result): MaskReading {
  const { width, height, opaque, palette: entries } = picture;
  if (!entries) return readGrey(picture, shownValues(values, opaque), name, result);
  const ids = shownValues(values, opaque);
  const colours = ids.map((id) => id) as Uint16Array;
  const shown = Uint32Array.from(colours, (id) => entries[id] ?? 0);
  const used = new Set(ids);
  used.delete(0);
  if (used.size === 1 && used.has(picture.max) && picture.max >= 255) return result(cut(ids, 1), 'binary');
  if (used.size > 3 && hasSmoothedEdges(structureOf(shown, width, height, true))) {
    throw ambiguous(name, `${SMOOTHED} --mask-as labels (each index an object)`);
  }
  return readVoid(ids, entries, name, result);
}

function readGrey(picture: MaskPicture, ids: Uint16Array, name: string, result: Result): MaskReading {
  const { width, height, max } = picture;
  const used = new Set(ids);
  used.delete(0);
  if (used.size === 1 && used.has(max) && max >= 255) return result(cut(ids, 1), 'binary');
  if ((used.size > 3 && hasSmoothedEdges(structureOf(ids, width, height, false))) || hasRamps(ids, width, height)) {
    throw ambiguous(name, `${SMOOTHED} --mask-as labels (each value an object) or --mask-as binary (one object)`);
  }
  if (max !== 255) return result(ids, 'labels');
  return readVoid(ids, undefined, name, result);
}

/** Ids, with 255 as void where a data set's file has it. */
function readVoid(ids: Uint16Array, entries: Uint32Array | undefined, name: string, result: Result): MaskReading {
  const used = [...new Set(ids)].filter((id) => id !== 0 && id !== VOID);
  if (!ids.includes(VOID) || used.length === 0) return result(ids, 'labels');
  const isSmall = used.every((id) => id <= DATA_SET_IDS);
  const isLarge = used.every((id) => id > DATA_SET_IDS);
  const isNextToWhite = used.includes(VOID - 1) && used.every((id) => id <= DATA_SET_IDS || id >= VOID - DATA_SET_IDS);
  const voids = ids.reduce((count, id) => count + (id === VOID ? 1 : 0), 0);
  const objects = ids.reduce((count, id) => count + (id !== 0 && id !== VOID ? 1 : 0), 0);
  if (!entries && (isSmall || isNextToWhite) && voids > 4 * objects) {
    throw ambiguous(
      name,
      '255 covers far more than all other values: it may be the one object, with noise around it (--mask-as binary), an object ' +
        'beside others (--mask-as labels), or void (then put 0 in its place)',
    );
  }
  if (used.includes(VOID - 1)) return result(ids, 'labels');
  if (isSmall || (entries && isDataSetPalette(entries, [1, ...used, VOID]))) {
    return result(
      ids.map((id) => (id === VOID ? 0 : id)),
      'labels',
      '; 255 is void',
    );
  }
  if (isLarge) return result(ids, 'labels');
  throw ambiguous(
    name,
    '255 may be void or an object; --mask-as labels makes it an object, 0 in its place makes it void',
  );
}

/** Whether these indices have the colours of a data set's palette; DAVIS's is grey from 22 on, as that of a grey picture is from 0 on. */
const isDataSetPalette = (entries: Uint32Array, indices: readonly number[]) =>
  KNOWN_PALETTES.some((which) => {
    const colours = coloursOf(which);
    return indices.every((index) => entries[index] === colours[index]);
  });

/** An annotation of a data set. */
function readDataSet(values: Uint16Array, opaque: Uint8Array | undefined, result: Result): MaskReading {
  const ids = shownValues(values, opaque);
  const used = new Set(ids);
  used.delete(0);
  if (used.size === 1 && used.has(VOID)) return result(cut(ids, 1), 'binary');
  return result(
    ids.map((id) => (id === VOID ? 0 : id)),
    'labels',
    used.has(VOID) ? '; 255 is void' : '',
  );
}

/** Ids of a known palette by colour, so that a palette mask saved as RGB keeps its ids. */
const paletteLookup = (which: PaletteName) =>
  new Map([...coloursOf(which).entries()].reverse().map(([id, colour]) => [colour, id]));

function readColours(picture: MaskPicture, name: string, result: Result): MaskReading {
  const { width, height, opaque, lossy } = picture;
  const colours = picture.colours().map((colour, i) => (opaque && !opaque[i] ? 0 : colour));
  const used = new Set(colours);
  if ([...used].every((colour) => isGrey(colour, lossy ? 10 : 0))) {
    const grey = Uint16Array.from(colours, brightest);
    const soft = readSoft(grey, 255, picture, name, result);
    if (soft) return soft;
    if (lossy && used.size > 2) throw lossyError(name);
    return readGrey({ ...picture, values: grey, max: 255 }, grey, name, result);
  }
  const known = KNOWN_PALETTES.map(paletteLookup).find((byColour) => [...used].every((colour) => byColour.has(colour)));
  if (!known || lossy) {
    const shades = shadesOfOne(colours, lossy !== undefined);
    const soft = shades && softness(shades, width, height, 255, lossy);
    if (soft?.unclear && !lossy) throw ambiguous(name, THIN_COLOURS);
    if (soft && !soft.unclear) {
      const few = used.size <= FEW_LEVELS;
      const keep = few && !lossy ? '; --mask-as colours makes each colour an object' : HARD_EDGES;
      return result(cut(shades!, soft.threshold), 'colours', `, soft edges, cut halfway to black${keep}`);
    }
  }
  if (lossy) throw lossyError(name);
  used.delete(0);
  if (used.size > MAX_COLOURS) {
    throw new MaskError(
      'unsupported',
      name,
      `${used.size} different colours: this is a picture or a lossy copy of a mask, not a label mask (at most ${MAX_COLOURS})`,
    );
  }
  if (!known && hasSmoothedEdges(structureOf(colours, width, height, true))) {
    throw ambiguous(name, `${SMOOTHED} --mask-as colours (each colour an object)`);
  }
  if (!known && !opaque && ![...used, ...(colours.includes(0) ? [0] : [])].some(isBlack)) {
    throw ambiguous(
      name,
      'no colour is black, so it is not clear which one is background; --mask-as colours makes each an object',
    );
  }
  return result(
    idsOfColours(colours, known),
    'colours',
    `${known ? '' : ' by colour'}${picture.palette ? ', black is background' : ''}`,
  );
}

const lossyError = (name: string) =>
  new MaskError(
    'unsupported',
    name,
    'lossy compression has mixed the values of several objects; save the mask as PNG, or say --mask-as binary for one object',
  );

function idsOfColours(colours: Uint32Array, known?: ReadonlyMap<number, number>): Uint16Array {
  const used = [...new Set(colours)]
    .filter((colour) => (known ? colour !== 0 : !isBlack(colour)))
    .sort((a, b) => a - b);
  const idOf = known ?? new Map(used.map((colour, i) => [colour, i + 1]));
  return Uint16Array.from(colours, (colour) => idOf.get(colour) ?? 0);
}

/**
 * How far from black to the one colour of a picture each pixel is, 0 to 255; undefined where other colours are between or beside them.
 * The colour is the most frequent one that is not black.
 */
function shadesOfOne(colours: Uint32Array, lossy: boolean): Uint16Array | undefined {
  const areas = new Map<number, number>();
  for (const colour of colours) areas.set(colour, (areas.get(colour) ?? 0) + 1);
  if (!lossy && areas.size > FULL_SCALE + 1) return undefined;
  let [main, most] = [0, 0];
  for (const [colour, area] of areas) if (!isBlack(colour) && area > most) [main, most] = [colour, area];
  const reach = distance(main, 0);
  if (most === 0 || (lossy && brightest(main) < 64)) return undefined;
  const shades = new Map<number, number>();
  let [near, far] = [0, 0];
  for (const [colour, area] of areas) {
    const share = Math.min(1, dot(colour, main) / reach ** 2);
    const aside = Math.hypot(...channels(colour).map((part, i) => part - share * channels(main)[i]!));
    if (aside > (lossy ? 0.35 * reach : 2)) far += area;
    if (Math.min(distance(colour, main), distance(colour, 0)) <= 40) near += area;
    shades.set(colour, Math.round(FULL_SCALE * share));
  }
  // Compression blurs colours more than brightness.
  if (lossy ? far > 0.02 * colours.length || near < 0.85 * colours.length : far > 0) return undefined;
  return Uint16Array.from(colours, (colour) => shades.get(colour)!);
}

/** The reading that was asked for. */
function readAs(picture: MaskPicture, name: string, as: MaskReadingName, result: Result): MaskReading {
  const { values, opaque, hasAlpha } = picture;
  switch (as) {
    case 'alpha': {
      if (!hasAlpha) throw new MaskError('unsupported', name, 'it has no alpha channel to be read as');
      const ids = opaque ? Uint16Array.from(opaque) : new Uint16Array(picture.width * picture.height).fill(1);
      return result(ids, 'alpha', ': its alpha channel is the mask');
    }
    case 'labels': {
      const own = values ?? greyOf(picture);
      if (!own) throw new MaskError('unsupported', name, 'a colour picture holds no ids; --mask-as colours reads it');
      return result(shownValues(own, opaque), 'labels');
    }
    case 'colours': {
      const colours = picture.colours().map((colour, i) => (opaque && !opaque[i] ? 0 : colour));
      if (new Set(colours).size > MAX_COLOURS + 1) {
        throw new MaskError('unsupported', name, `more than ${MAX_COLOURS} different colours`);
      }
      return result(idsOfColours(colours), 'colours', ' by colour');
    }
    case 'binary': {
      const grey = shownValues(
        picture.palette || !values ? Uint16Array.from(picture.colours(), brightest) : values,
        opaque,
      );
      const top = grey.reduce((most, value) => Math.max(most, value), 0);
      if (top === 0) return result(new Uint16Array(grey.length), 'binary');
      return result(cut(grey, top / 2), 'binary', `, everything from ${Math.ceil(top / 2)} up`);
    }
  }
}

function greyOf(picture: MaskPicture): Uint16Array | undefined {
  const colours = picture.colours();
  return colours.every((colour) => isGrey(colour)) ? Uint16Array.from(colours, brightest) : undefined;
}
