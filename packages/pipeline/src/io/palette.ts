/** RGB triples, `palette[3 * id + channel]`, 256 entries. */
export type Palette = Uint8Array;

/** A palette that samtrack knows. */
export type PaletteName = 'voc' | 'davis' | 'samtrack';

/**
 * PASCAL-VOC colour map: bits 3k, 3k+1, 3k+2 of the id become bit 7-k of red, green and blue.
 * The palette of the official DAVIS result sets; all 256 colours differ.
 */
function vocPalette(): Palette {
  const palette = new Uint8Array(768);
  for (let id = 0; id < 256; id++) {
    for (let bit = 0; bit < 8; bit++) {
      const value = (id >> bit) & 1;
      palette[3 * id + (bit % 3)]! |= value << (7 - Math.floor(bit / 3));
    }
  }
  return palette;
}

/** The palette of the DAVIS annotations: 22 colours as in VOC, but with 191 for 192, then grey (i, i, i). */
function davisPalette(): Palette {
  const palette = vocPalette();
  for (let i = 0; i < 22 * 3; i++) if (palette[i] === 192) palette[i] = 191;
  for (let id = 22; id < 256; id++) palette.fill(id, 3 * id, 3 * id + 3);
  return palette;
}

/** Uniform doubles in [0, 1) as `numpy.random.seed(seed); numpy.random.rand()` gives them (MT19937, 53-bit). */
function* numpyUniform(seed: number): Generator<number> {
  const n = 624;
  const state = new Uint32Array(n);
  state[0] = seed;
  for (let i = 1; i < n; i++) {
    const previous = state[i - 1]! ^ (state[i - 1]! >>> 30);
    state[i] = Math.imul(1812433253, previous) + i;
  }
  let position = n;
  const next = () => {
    if (position === n) {
      for (let i = 0; i < n; i++) {
        const mixed = (state[i]! & 0x80000000) | (state[(i + 1) % n]! & 0x7fffffff);
        state[i] = state[(i + 397) % n]! ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
      }
      position = 0;
    }
    let y = state[position++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
  for (;;) {
    const high = next() >>> 5;
    const low = next() >>> 6;
    yield (high * 67108864 + low) / 9007199254740992;
  }
}

/** SAM-Track's bright palette: black, then `uint8(255 * (0.7 u + 0.3))` with NumPy's generator at seed 200. */
function samTrackPalette(): Palette {
  const palette = new Uint8Array(768);
  const uniform = numpyUniform(200);
  for (let i = 3; i < 768; i++) palette[i] = Math.trunc(255 * (0.7 * (uniform.next().value as number) + 0.3));
  return palette;
}

const builders: Record<PaletteName, () => Palette> = {
  voc: vocPalette,
  davis: davisPalette,
  samtrack: samTrackPalette,
};
const built = new Map<PaletteName, Palette>();

/** One of the known palettes, 768 bytes. Do not modify it. */
export function palette(name: PaletteName): Palette {
  let colours = built.get(name);
  if (!colours) built.set(name, (colours = builders[name]()));
  return colours;
}

/** Colour of an object id as [r, g, b]; ids above 255 repeat colours 1..255. */
export function idColour(colours: Palette, id: number): [number, number, number] {
  const entry = id === 0 ? 0 : ((id - 1) % 255) + 1;
  return [colours[3 * entry]!, colours[3 * entry + 1]!, colours[3 * entry + 2]!];
}
