import type { BenchmarkResult } from '../contest.js';

/** What stands before the names of runners in Chromium. */
export const CHROMIUM = 'chromium:';

/** A result of the page as one among others: its runners are Chromium's. */
export function inChromium<Result extends BenchmarkResult>(result: Result): Result {
  const rename = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(record).map(([name, value]) => [`${CHROMIUM}${name}`, value]));
  const { runners, ratios, cpuRatios, errors, firstMs } = result;
  return {
    ...result,
    runners: rename(runners),
    ratios: rename(ratios),
    cpuRatios: rename(cpuRatios),
    errors: rename(errors),
    firstMs: rename(firstMs),
  };
}
