import type { AdapterClass } from '../device/adapter.js';
import type { Choosable } from '../dispatch/chooser.js';

/** Numbers and flags that tell one use of an operation from another. */
export type TunedShape = object;

/** The least that has to be computed and moved. */
export interface Work {
  /** Floating-point operations. */
  readonly flops: number;
  /** Bytes read and written at least. */
  readonly bytes: number;
}

/** What tuning has to know about an operation that several kernels can compute. */
export interface TunedOp<Shape extends TunedShape, Variant extends string> extends Choosable<Shape, Variant> {
  /** The text of all its kernels and what they are built from: when it changes, measurements of it are void. */
  readonly sources: readonly string[];
  /** The kernels that can compute a shape, all in full float32 precision. */
  variants(shape: Shape, adapter: AdapterClass): readonly Variant[];
  work(shape: Shape): Work;
}

/** An operation whose types do not matter. */
export type AnyTunedOp = TunedOp<never, string>;

/** Names a shape: `batch=1 m=256 n=512 k=512 aligned`. Flags that are not set are left out. */
export function shapeKey(shape: TunedShape): string {
  let key = '';
  for (const field in shape) {
    const value = (shape as Record<string, unknown>)[field];
    if (value === true) key += `${field} `;
    else if (value !== false) key += `${field}=${value} `;
  }
  return key.slice(0, -1);
}

const fingerprints = new WeakMap<AnyTunedOp, string>();

/** A short hash of an operation's kernels (two 32-bit FNV-1a with different offsets; no defence against malice). */
export function fingerprint(op: AnyTunedOp): string {
  const known = fingerprints.get(op);
  if (known) return known;
  let result = '';
  for (const offset of [0x811c9dc5, 0x050c5d1f]) {
    let hash = offset;
    for (const source of op.sources) {
      for (let i = 0; i < source.length; i++) hash = Math.imul(hash ^ source.charCodeAt(i), 0x01000193);
      hash = Math.imul(hash ^ 0x1ff, 0x01000193);
    }
    result += (hash >>> 0).toString(16).padStart(8, '0');
  }
  fingerprints.set(op, result);
  return result;
}
