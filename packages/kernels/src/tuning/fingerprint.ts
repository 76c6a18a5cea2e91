import { fnv1a, fnv1aText } from '../common/index.js';
import type { AdapterClass } from '../device/adapter.js';
import type { Choosable } from '../dispatch/chooser.js';

/** An operation whose types do not matter, by what can be told of it without running it. */
export type AnyOp = Choosable<never, string>;

/** Names a shape: `batch=1 m=256 n=512 k=512 aligned`. Flags that are not set are left out. */
export function shapeKey(shape: object): string {
  let key = '';
  for (const field in shape) {
    const value = (shape as Record<string, unknown>)[field];
    if (value === true) key += `${field} `;
    else if (value !== false) key += `${field}=${value} `;
  }
  return key.slice(0, -1);
}

/**
 * The variants worth measuring, the one that is selected by rules first: of those that lose precision only that which the caller
 * asked for, and then only it.
 */
export function measurable<Shape extends object, Variant extends string>(
  { supported, select, rounding }: Choosable<Shape, Variant>,
  shape: Shape,
  adapter: AdapterClass,
): Variant[] {
  const selected = select(shape, adapter);
  if (rounding.includes(selected)) return [selected];
  const others = supported(shape, adapter).filter((variant) => variant !== selected && !rounding.includes(variant));
  return [selected, ...others];
}

/** Between two sources: no code unit. */
const SEPARATOR = [0x1ff];

/** A source without comments and indentation, which bundles leave out. */
const essence = (source: string): string =>
  source
    .replaceAll(/\/\/.*$/gm, '')
    .replaceAll(/^[ \t]+|[ \t]+$/gm, '')
    .replaceAll(/\n{2,}/g, '\n');

const fingerprints = new WeakMap<AnyOp, string>();

/** A short hash of an operation's kernels (two 32-bit FNV-1a with different offsets; no defence against malice). */
export function fingerprint(op: AnyOp): string {
  const known = fingerprints.get(op);
  if (known) return known;
  let result = '';
  for (const offset of [0x811c9dc5, 0x050c5d1f]) {
    let hash = offset;
    for (const source of op.kernels.flatMap(({ sources }) => sources)) {
      hash = fnv1a(SEPARATOR, fnv1aText(essence(source), hash));
    }
    result += hash.toString(16).padStart(8, '0');
  }
  fingerprints.set(op, result);
  return result;
}
