import { readBinary } from '#platform';

/** How long tracking took, from decoded frame to label map, as the results' record says. */
export interface SequenceTiming {
  /** Frames tracked. */
  frames: number;
  seconds: number;
  framesPerSecond: number;
}

/** The timing of frames that took seconds. */
export const timingOf = (frames: number, seconds: number): SequenceTiming => ({
  frames,
  seconds: Math.round(seconds * 1000) / 1000,
  framesPerSecond: Math.round((frames / Math.max(seconds, 1e-9)) * 1000) / 1000,
});

/** What the record of a folder of results says; undefined where there is none. */
export async function readTiming(results: string): Promise<SequenceTiming | undefined> {
  const bytes = await readBinary(`${results}/run.json`).catch(() => undefined);
  try {
    const { tracked } = JSON.parse(new TextDecoder().decode(bytes));
    return tracked.frames > 0 ? timingOf(tracked.frames, tracked.seconds) : undefined;
  } catch {
    return undefined;
  }
}
