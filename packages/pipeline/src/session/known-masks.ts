import type { KnownMask } from '../assist/index.js';
import { encodeRle } from '../io/index.js';
import type { SessionCore } from './core.js';
import { type Direction, signOf } from './events.js';
import { pixelsOf } from './masks.js';
import { producer } from './state.js';

/** Reference frames of an object that a prompt in another frame is seen with: the nearest ones. */
const REFERENCES = 2;

/**
 * Where else the masks of an object are known that is prompted in a frame: its nearest reference frames and the frame before, in the
 * order in which a tracker is to remember them. Each costs as much as the prompt itself.
 */
export async function knownMasks(
  core: SessionCore,
  frame: number,
  object: number,
  signal?: AbortSignal,
): Promise<{ direction: Direction; known: KnownMask[] }> {
  const { state, reader, source } = core;
  const distance = (index: number) => Math.abs(index - frame);
  const references = [...state.annotations]
    .flatMap(([index, annotations]) => (index !== frame && annotations.has(object) ? [index] : []))
    .sort((a, b) => distance(a) - distance(b))
    .slice(0, REFERENCES);
  const nearest = references[0];
  // The frames of a live source are gone.
  if (nearest === undefined || source.kind === 'live') return { direction: 'forward', known: [] };
  const direction = producer(state, frame, [object])?.direction ?? (nearest < frame ? 'forward' : 'backward');
  const sign = signOf(direction);
  const known: KnownMask[] = [];
  const add = async (index: number, given: boolean) => {
    const { data, width, height } = await core.masks(index);
    const mask = encodeRle(pixelsOf({ data, width, height }, object), width, height);
    known.push({ frame: await reader.get(index, signal), mask, given });
  };
  // What lies ahead comes first: a tracker forgets what it has left behind.
  const ahead = (index: number) => sign * (index - frame);
  for (const index of references.sort((a, b) => Number(ahead(a) < 0) - Number(ahead(b) < 0) || ahead(a) - ahead(b))) {
    await add(index, true);
  }
  const before = frame - sign;
  if (!references.includes(before) && producer(state, before, [object])) await add(before, false);
  return { direction, known };
}
