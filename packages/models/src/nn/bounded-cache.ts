/** Keeps the most recently used values, and disposes those that have to go. */
export class BoundedCache<T> {
  /** In the order of their last use. */
  readonly #values = new Map<string, T>();

  constructor(
    private readonly capacity: number,
    private readonly disposeOf: (value: T) => void,
  ) {}

  /** The value of a key, and that it was used just now. */
  get(key: string): T | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) {
      this.#values.delete(key);
      this.#values.set(key, value);
    }
    return value;
  }

  /** Keeps a value, at the cost of the one that was not used for longest. */
  set(key: string, value: T): void {
    this.#values.set(key, value);
    for (const [oldest, old] of this.#values) {
      if (this.#values.size <= this.capacity) break;
      this.#values.delete(oldest);
      this.disposeOf(old);
    }
  }

  /** Disposes the value of a key, if there is one. */
  delete(key: string): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.disposeOf(value);
  }

  clear(): void {
    for (const value of this.#values.values()) this.disposeOf(value);
    this.#values.clear();
  }
}
