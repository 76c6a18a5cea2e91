import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Chromium is missing, does not start, or its page fails. `code` tells which. */
export class ChromiumError extends Error {
  override readonly name = 'ChromiumError';
  constructor(
    readonly code: 'not-found' | 'launch' | 'page' | 'timeout',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const ELSEWHERE = ['/usr/bin', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];

/**
 * The program to start.
 * @param path The user's choice; otherwise Chromium or Chrome is looked for in PATH and where systems keep it.
 * @throws ChromiumError `not-found`, naming what was looked for
 */
export function findChromium(path?: string): string {
  if (path !== undefined) {
    if (existsSync(path)) return path;
    throw new ChromiumError('not-found', `There is no Chromium at "${path}".`);
  }
  const folders = new Set([...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), ELSEWHERE[0]!]);
  const candidates = [...folders].flatMap((folder) => NAMES.map((name) => join(folder, name)));
  const found = [...candidates, ELSEWHERE[1]!].find((candidate) => existsSync(candidate));
  if (found) return found;
  throw new ChromiumError(
    'not-found',
    `No Chromium was found: looked for ${NAMES.join(', ')} in ${[...folders].join(', ')}, and for "${ELSEWHERE[1]}".`,
  );
}

/** Whether there is one to start, so that tests know whether to run. */
export function hasChromium(): boolean {
  try {
    return findChromium() !== '';
  } catch {
    return false;
  }
}
