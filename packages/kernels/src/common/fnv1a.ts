const PRIME = 0x01000193;

/** Where FNV-1a begins. */
const OFFSET = 0x811c9dc5;

/**
 * 32-bit FNV-1a (Fowler, Noll and Vo) over bytes, or over larger whole numbers as if they were such. Tells contents apart, and is no
 * defence against malice.
 * @param hash that of what comes before; its own beginning by default
 * @returns uint32
 */
export function fnv1a(values: ArrayLike<number>, hash = OFFSET): number {
  for (let i = 0; i < values.length; i++) hash = Math.imul(hash ^ values[i]!, PRIME);
  return hash >>> 0;
}

/** The same over the UTF-16 code units of a text. @param hash as for `fnv1a` @returns uint32 */
export function fnv1aText(text: string, hash = OFFSET): number {
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME);
  return hash >>> 0;
}
