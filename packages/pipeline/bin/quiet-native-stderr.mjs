import { closeSync, openSync } from 'node:fs';
import { isatty, WriteStream } from 'node:tty';

/**
 * Keeps what native libraries write to the terminal off it: Dawn prints two warnings at every start that say nothing to whoever
 * tracks a video. The terminal gets a file descriptor of its own for `process.stderr`, and descriptor 2 leads nowhere. To be called before
 * anything else opens a file, since the next file that is opened takes the number of the one that was closed. Where
 * standard error is no terminal, nothing changes: logs keep all.
 */
export function quietNativeStderr() {
  if (process.platform === 'win32' || !isatty(2)) return;
  let terminal;
  try {
    terminal = openSync(process.platform === 'linux' ? '/proc/self/fd/2' : '/dev/tty', 'w');
  } catch {
    return;
  }
  closeSync(2);
  const sink = openSync('/dev/null', 'w');
  if (sink !== 2) {
    // Not to be expected; what is written to descriptor 2 then fails, and nothing else is touched.
    closeSync(sink);
  }
  const stream = new WriteStream(terminal);
  Object.defineProperty(process, 'stderr', { configurable: true, enumerable: true, get: () => stream });
  // Node reports these to descriptor 2 by itself.
  process.on('uncaughtException', (error) => {
    stream.write(`${error?.stack ?? error}\n`, () => process.exit(1));
  });
}
