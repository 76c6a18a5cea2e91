/** Memory for tensors, used again for others of the same size. */
export class BufferPool {
  readonly #free = new Map<number, ArrayBuffer[]>();
  #bytes = 0;
  #freeBytes = 0;

  /** Bytes that exist, in use or not. */
  get bytes(): number {
    return this.#bytes;
  }

  get usedBytes(): number {
    return this.#bytes - this.#freeBytes;
  }

  take(bytes: number): ArrayBuffer {
    const known = this.#free.get(bytes)?.pop();
    if (known) {
      this.#freeBytes -= bytes;
      return known;
    }
    this.#bytes += bytes;
    return new ArrayBuffer(bytes);
  }

  give(buffer: ArrayBuffer): void {
    const bytes = buffer.byteLength;
    const same = this.#free.get(bytes);
    if (same) same.push(buffer);
    else this.#free.set(bytes, [buffer]);
    this.#freeBytes += bytes;
  }

  /** Forgets what nobody uses. */
  trim(): void {
    this.#free.clear();
    this.#bytes -= this.#freeBytes;
    this.#freeBytes = 0;
  }
}
