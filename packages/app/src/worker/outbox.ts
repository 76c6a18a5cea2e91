import type { Report } from '../protocol.js';

/** Least time between two batches, in milliseconds: what is newer than the screen's refresh is not seen. */
const INTERVAL_MS = 16;

/**
 * Reports on their way to the page, in batches. One batch is under way at a time: a page that is busy gets fewer and larger ones, and
 * never a queue of them. Of each kind the newest is sent; lane columns and notices add up.
 */
export class Outbox {
  #waiting: Report | undefined;
  #sending = false;

  constructor(private readonly send: (report: Report) => Promise<void>) {}

  add(report: Report): void {
    const { columns, notices, ...newest } = report;
    this.#waiting ??= {};
    // Whole lanes contain what the columns before them said.
    if (newest.lanes) this.#waiting.columns = undefined;
    Object.assign(this.#waiting, newest);
    if (columns) this.#waiting.columns = [...(this.#waiting.columns ?? []), ...columns];
    if (notices) this.#waiting.notices = [...(this.#waiting.notices ?? []), ...notices];
    if (!this.#sending) void this.#drain();
  }

  async #drain(): Promise<void> {
    this.#sending = true;
    // What is reported together arrives together.
    await Promise.resolve();
    while (this.#waiting) {
      const report = this.#waiting;
      this.#waiting = undefined;
      // A page that is being closed answers no more.
      await this.send(report).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    }
    this.#sending = false;
  }
}
