/** Exit status after Ctrl-C. */
export const INTERRUPTED = 130;

/**
 * Runs work that the first Ctrl-C aborts through the signal, so that it can keep what it has; a second one ends the process.
 * @returns what the work returns, 130 when it rejects because of the signal
 */
export async function interruptible(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const controller = new AbortController();
  const { signal } = controller;
  const stop = () => controller.abort(new Error('stopped'));
  process.once('SIGINT', stop);
  try {
    return await work(signal);
  } catch (error) {
    if (signal.aborted && error === signal.reason) return INTERRUPTED;
    throw error;
  } finally {
    process.off('SIGINT', stop);
  }
}
