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
  /** The batch under way. */
  #sent: Promise<void> = Promise.resolve();
  /** Who waits until what waits now was taken. */
  #listeners: (() => void)[] = [];

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

  /** Resolves when the page has taken in everything that was added before. */
  taken(): Promise<void> {
    return this.#waiting ? new Promise((resolve) => this.#listeners.push(resolve)) : this.#sent;
  }

  async #drain(): Promise<void> {
    this.#sending = true;
    // What is reported together arrives together.
    await Promise.resolve();
    while (this.#waiting) {
      const report = this.#waiting;
      const listeners = this.#listeners;
      this.#waiting = undefined;
      this.#listeners = [];
      // A page that is being closed answers no more.
      this.#sent = this.send(report).catch(() => {});
      await this.#sent;
      for (const listener of listeners) listener();
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    }
    this.#sending = false;
  }
}
