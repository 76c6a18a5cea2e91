import type { Size, Tracker } from '@samtrack/models';
import { type Summary, summarise } from './statistics.js';

/** How the time of a frame grows with one thing. */
export interface Curve {
  readonly model: string;
  /** What grows: `objects`, `pixels`, `memory` in frames, or `frame`, the position in a video. */
  readonly axis: 'objects' | 'pixels' | 'memory' | 'frame';
  readonly unit: string;
  readonly points: readonly CurvePoint[];
}

interface CurvePoint {
  readonly x: number;
  /** Time of a frame, milliseconds. */
  readonly wall: Summary;
}

/** How curves are measured. */
export interface CurveOptions {
  readonly size: Size;
  /** Samples of a point. */
  readonly rounds: number;
  /** Frames of the video whose length is looked at. */
  readonly videoFrames: number;
  readonly onPoint?: (axis: Curve['axis'], point: CurvePoint) => void;
}

/** A tracker that has seen its first frame, or more. */
interface CurveSubject {
  readonly tracker: Tracker;
  /** Of the frames that come. */
  readonly pixels: Uint8Array;
  /** Index of the next frame; 1 by default. */
  readonly next?: number;
}

/** Frames of a sample. */
const STEPS = 3;

/** Measures one curve: its points in turn, round by round, so that what else happens on the machine happens to all of them. */
export async function measureCurve(
  curve: Pick<Curve, 'model' | 'axis' | 'unit'>,
  values: readonly number[],
  { rounds, onPoint }: Pick<CurveOptions, 'rounds' | 'onPoint'>,
  start: (x: number) => Promise<CurveSubject>,
  steps = STEPS,
): Promise<Curve> {
  const runs: (CurveSubject & { x: number; samples: number[] })[] = [];
  for (const x of values) runs.push({ ...(await start(x)), x, samples: [] });
  for (let round = -1; round < rounds; round++) {
    for (const { tracker, pixels, samples, next = 1 } of runs) {
      const ms = await timeSteps(tracker, pixels, next + (round + 1) * steps, steps);
      // The first step compiles and records.
      if (round >= 0) samples.push(ms);
    }
  }
  const points = runs.map(({ x, samples }) => ({ x, wall: summarise(samples) }));
  for (const point of points) onPoint?.(curve.axis, point);
  for (const { tracker } of runs) tracker.dispose();
  return { ...curve, points };
}

/** Time of a frame, of several in a row: a GPU that has to wait between frames slows its clock. */
export async function timeSteps(tracker: Tracker, pixels: Uint8Array, frame: number, count: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < count; i++) await tracker.step(frame + i, pixels);
  return (performance.now() - start) / count;
}
