import { compressRle, type LabelMap, labelMapToRles } from '../io/index.js';
import type { SessionCore } from './core.js';
import { SessionError } from './errors.js';
import type { AnnotateEvent, EventMask } from './events.js';
import { hasPixels } from './masks.js';
import type { ResolvedMask } from './resolve-prompt.js';

/** Ids fit into 16 bits. */
const MAX_ID = 65535;

/**
 * Gives objects masks in a frame, in the given order; those without an id are new. Pixels of locked objects stay theirs.
 * @param label Class of new objects that the masks do not name.
 * @returns their ids
 * @throws SessionError `unknown-object`, `locked-object`, `too-many-objects`, `nothing-found`
 */
export const annotate = (
  core: SessionCore,
  frame: number,
  masks: readonly ResolvedMask[],
  prompt: AnnotateEvent['prompt'],
  label?: string,
): Promise<number[]> =>
  core.change(async (store) => {
    const { objects } = core.state;
    const painted = await core.masks(frame);
    const locked = new Set(core.objectsWhere(({ locked: isLocked }) => isLocked));
    const created: { id: number; name: string; label?: string }[] = [];
    let { lastId } = core.state;
    const ids = masks.map(({ object, name, label: found }) => {
      const id = object ?? lastId + 1;
      if (objects.has(id)) {
        core.unlocked(id);
      } else if (!created.some((other) => other.id === id)) {
        lastId = Math.max(lastId, id);
        const kind = label ?? found;
        const taken = [...objects.values(), ...created].map((other) => other.name);
        created.push({ id, name: freeName(name ?? `object ${id}`, taken), ...(kind ? { label: kind } : {}) });
      }
      return id;
    });
    if (lastId > MAX_ID) {
      throw new SessionError('too-many-objects', `object ${lastId} would be needed; ids go up to ${MAX_ID}`);
    }
    paint(painted, masks, ids, locked);
    // An object that another one of the same prompt covers has nothing to be tracked by.
    const visible = encodeMasks(painted, [...new Set(ids)]);
    const gone = ids.find((id, i) => !visible.some(({ object }) => object === id) && hasPixels(masks[i]!.pixels));
    if (visible.length === 0 || (gone !== undefined && !created.some(({ id }) => id === gone))) {
      throw new SessionError('nothing-found', `the prompt in frame ${frame} leaves its object no pixels`);
    }
    const shown = new Set(visible.map(({ object }) => object));
    const kept = created.filter(({ id }) => shown.has(id));
    await store({
      type: 'annotate',
      frame,
      masks: visible,
      ...(kept.length > 0 ? { created: kept } : {}),
      ...(prompt ? { prompt } : {}),
    });
    return visible.map(({ object }) => object);
  });

/** Masks of objects for an event. */
export function encodeMasks(labels: LabelMap, ids: readonly number[]): EventMask[] {
  const rles = labelMapToRles(labels);
  return [...ids]
    .sort((a, b) => a - b)
    .flatMap((object) => {
      const rle = rles.get(object);
      return rle ? [{ object, counts: compressRle(rle).counts }] : [];
    });
}

/** Gives objects new pixels, one mask over the other; `ids` are those of the masks. */
function paint(
  { data }: LabelMap,
  masks: readonly ResolvedMask[],
  ids: readonly number[],
  locked: ReadonlySet<number>,
): void {
  const prompted = new Set(ids);
  for (let i = 0; i < data.length; i++) if (prompted.has(data[i]!)) data[i] = 0;
  for (const [i, { pixels }] of masks.entries()) {
    for (let p = 0; p < data.length; p++) if (pixels[p] && !locked.has(data[p]!)) data[p] = ids[i]!;
  }
}

/** The name, or the name with the first number that nobody has. */
function freeName(name: string, taken: readonly string[]): string {
  if (!taken.includes(name)) return name;
  let number = 2;
  while (taken.includes(`${name} ${number}`)) number++;
  return `${name} ${number}`;
}
