import { afterEach, vi } from 'vitest';
import { main } from '../../src/cli/main.js';

/** What a run of the program gave. */
export interface Outcome {
  status: number;
  out: string;
  err: string;
}

afterEach(() => {
  vi.restoreAllMocks();
});

/**
 * Runs `samtrack` in this process, as a user does without a terminal.
 * @param onError Sees what is written to stderr, as it is written.
 */
export async function samtrack(argv: readonly string[], onError?: (text: string) => void): Promise<Outcome> {
  const outcome: Outcome = { status: -1, out: '', err: '' };
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    outcome.out += text;
    return true;
  });
  const err = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    outcome.err += text;
    onError?.(String(text));
    return true;
  });
  try {
    outcome.status = await main(argv);
  } finally {
    out.mockRestore();
    err.mockRestore();
  }
  return outcome;
}
