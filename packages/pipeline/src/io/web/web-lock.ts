import { OutputError } from '../errors.js';

/**
 * Takes a lock among the tabs and workers of the origin.
 * @param label what is locked, for messages
 * @returns a function that gives it back
 * @throws OutputError `busy` while another holds it
 */
export function webLock(name: string, label: string): Promise<() => Promise<void>> {
  return new Promise((taken, refused) => {
    navigator.locks
      .request(name, { ifAvailable: true }, (lock) => {
        if (!lock) throw new OutputError('busy', label, 'another tab writes to it');
        return new Promise<void>((release) => taken(async () => release()));
      })
      .catch(refused);
  });
}
