/**
 * Values by lists of 32-bit words, which are found without making a text of them: the contents of uniform buffers, what is bound
 * together. Of too many the oldest goes; so does one that another has the hash of, which is rare, and costs making it again.
 */
export class WordMap<T> {
  readonly #entries = new Map<number, { readonly words: Uint32Array; readonly value: T }>();

  constructor(private readonly capacity: number) {}

  /** The value of the first `length` words, made where there is none. */
  get(words: Uint32Array, length: number, make: () => T): T {
    const hash = hashOf(words, length);
    const known = this.#entries.get(hash);
    if (known && startsWith(words, length, known.words)) return known.value;
    const value = make();
    if (this.#entries.size >= this.capacity) this.#entries.delete(this.#entries.keys().next().value!);
    this.#entries.set(hash, { words: words.slice(0, length), value });
    return value;
  }

  clear(): void {
    this.#entries.clear();
  }
}

function startsWith(words: Uint32Array, length: number, known: Uint32Array): boolean {
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) if (words[i] !== known[i]) return false;
  return true;
}

/** 30 bits, which engines keep without a heap object. High bits, where floats differ, are mixed down. */
function hashOf(words: Uint32Array, length: number): number {
  let hash = length;
  for (let i = 0; i < length; i++) {
    hash = Math.imul(hash ^ words[i]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash & 0x3fffffff;
}
