import { setTimeout as sleep } from 'node:timers/promises';
import { isFarmError } from '../errors.js';
import type { Storage } from './storage.js';

/** How long trouble with a storage is waited out. */
export interface Patience {
  /** How long to wait for a storage that is away or full, in seconds. */
  seconds: number;
  /** Between two tries, in seconds; default 2. */
  pause?: number;
  /** Called each second of an operation, while that takes no longer than there is patience: it is slow, not hung. */
  onBeat?(): void;
  /** Called before each pause. */
  onWait?(error: Error): void;
  signal?: AbortSignal;
}

/** A storage that waits where the one below is away or full, and throws its error when patience is at an end. */
export function patient(storage: Storage, { seconds, pause = 2, onBeat, onWait, signal }: Patience): Storage {
  const wait = async <T>(work: () => Promise<T>): Promise<T> => {
    // Pauses are counted, not the clock: it may jump.
    for (let tries = Math.ceil(seconds / pause); ; tries--) {
      try {
        return await whileBeating(work, seconds, onBeat);
      } catch (error) {
        if (tries <= 0 || !isFarmError(error, 'storage-away', 'storage-full')) throw error;
        onWait?.(error);
        await sleep(pause * 1000, undefined, { signal });
      }
    }
  };
  return {
    label: storage.label,
    id: storage.id,
    read: (path) => wait(() => storage.read(path)),
    download: (path, file) => wait(() => storage.download(path, file)),
    write: (path, data) => wait(() => storage.write(path, data)),
    upload: (path, file) => wait(() => storage.upload(path, file)),
    create: (path, data) => wait(() => storage.create(path, data)),
    list: (folder) => wait(() => storage.list(folder)),
    folders: (folder) => wait(() => storage.folders(folder)),
    remove: (path) => wait(() => storage.remove(path)),
    close: () => storage.close(),
  };
}

async function whileBeating<T>(work: () => Promise<T>, seconds: number, onBeat?: () => void): Promise<T> {
  let left = seconds;
  const timer = onBeat && setInterval(() => left-- > 0 && onBeat(), 1000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
