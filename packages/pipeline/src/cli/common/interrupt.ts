/** Exit status after Ctrl-C. */
export const INTERRUPTED = 130;

/** Signals that end a run, and the exit status after each: 128 and its number, as shells have it. */
const SIGNALS = { SIGINT: INTERRUPTED, SIGTERM: 143, SIGHUP: 129 } as const;
type StopSignal = keyof typeof SIGNALS;

/** Why a run was stopped. */
class Stopped extends Error {
  override readonly name = 'Stopped';
  constructor(readonly signal: StopSignal) {
    super('stopped');
  }
}

/** The exit status of a run that a signal has stopped. */
export const stoppedStatus = (signal: AbortSignal): number =>
  signal.reason instanceof Stopped ? SIGNALS[signal.reason.signal] : INTERRUPTED;

/**
 * Runs work that the first Ctrl-C, SIGTERM or SIGHUP (a closed terminal) aborts through the signal, so that it can keep what it has; a second one
 * ends the process.
 * @returns what the work returns, 128 and the signal's number when it rejects because of it
 */
export async function interruptible(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = (Object.keys(SIGNALS) as StopSignal[]).map((name) => [name, () => stop(name)] as const);
  const forget = () => {
    for (const [name, listener] of listeners) process.off(name, listener);
  };
  const stop = (name: StopSignal) => {
    forget();
    controller.abort(new Stopped(name));
  };
  for (const [name, listener] of listeners) process.on(name, listener);
  try {
    return await work(signal);
  } catch (error) {
    if (signal.aborted && error === signal.reason) return stoppedStatus(signal);
    throw error;
  } finally {
    forget();
  }
}
