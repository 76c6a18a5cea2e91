import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

/** What takes longer than this has failed, however much else the machine has to do. */
const LIMIT_MS = 120_000;

/**
 * Waits until what is seen is what is wanted: by default, until it is true. @returns what was seen then
 * @throws Error after two minutes, with what was awaited and what was seen last
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T> | T,
  wanted: (seen: T) => boolean = Boolean,
): Promise<T> {
  let seen: unknown = 'nothing';
  const over = new AbortController();
  const { signal } = over;
  // A look may wait itself, such as for a server that is away.
  const looking = async () => {
    for (;;) {
      const found = await look();
      if (wanted(found)) return found;
      seen = found;
      await sleep(50, undefined, { signal });
    }
  };
  const limit = async () => {
    await sleep(LIMIT_MS, undefined, { signal });
    throw new Error(`waited ${LIMIT_MS / 1000} s for ${what}; seen last: ${inspect(seen, { depth: 6 })}`);
  };
  try {
    return await Promise.race([looking(), limit()]);
  } finally {
    over.abort();
  }
}
