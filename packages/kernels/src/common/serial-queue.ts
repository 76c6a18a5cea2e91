/** Work that is done one after the other, in the order in which it was asked for. */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** Does work when everything before it is over, whether that went well or not. Work must not wait for other work of the queue. */
  run<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  /** Waits for everything that was asked for until now, whether it goes well or not. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
