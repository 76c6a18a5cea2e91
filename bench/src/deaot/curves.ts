import { fusedOps } from '@samtrack/kernels';
import type { DeAotName, DeAotTracker, Size } from '@samtrack/models';
import { type Summary, summarise } from '../statistics.js';
import { loadDeAot } from './frame.js';
import { startTracker, syntheticFrame } from './scene.js';

/** How the time of a frame grows with one thing. */
export interface Curve {
  readonly model: DeAotName;
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

const OBJECTS = [1, 5, 10, 20, 40];
const MEMORY = [1, 2, 4, 8];
const HEIGHTS = [240, 360, 480, 720];
/** Frames of a sample. */
const STEPS = 3;
/** A video is cut into this many parts, whose medians show whether frames grow slower. */
const PARTS = 6;

interface CurveOptions {
  readonly size: Size;
  /** Samples of a point. */
  readonly rounds: number;
  /** Frames of the video whose length is looked at. */
  readonly videoFrames: number;
  readonly onPoint?: (axis: Curve['axis'], point: CurvePoint) => void;
}

/**
 * Times frames of our tracker with more objects, larger frames, a longer memory and a longer video. Points of one curve
 * are measured in turn, round by round, so that what else happens on the machine happens to all of them.
 */
export async function measureCurves(name: DeAotName, options: CurveOptions): Promise<Curve[]> {
  const { size, rounds, videoFrames, onPoint } = options;
  const model = await loadDeAot(name, fusedOps);
  const interleaved = async (
    axis: Curve['axis'],
    unit: string,
    values: readonly number[],
    start: (x: number) => { tracker: DeAotTracker; size: Size },
  ): Promise<Curve> => {
    const runs = values.map((x) => {
      const { tracker, size: frame } = start(x);
      return { x, tracker, pixels: syntheticFrame(frame, 1, 1).pixels, samples: [] as number[] };
    });
    for (let round = -1; round < rounds; round++) {
      for (const { tracker, pixels, samples } of runs) {
        const ms = await timeSteps(tracker, pixels, 1, STEPS);
        // The first step compiles and records.
        if (round >= 0) samples.push(ms);
      }
    }
    const points = runs.map(({ x, samples }) => ({ x, wall: summarise(samples) }));
    for (const point of points) onPoint?.(axis, point);
    for (const { tracker } of runs) tracker.dispose();
    return { model: name, axis, unit, points };
  };
  // A memory that stays as it is.
  const fixed = { longTermGap: 1e9 };
  const sizes = HEIGHTS.map((height) => ({ height, width: 2 * Math.round((height * size.width) / size.height / 2) }));
  const curves = [
    await interleaved('objects', 'objects', OBJECTS, (objects) => ({
      tracker: startTracker(model, size, objects, fixed),
      size,
    })),
    await interleaved(
      'pixels',
      'pixels',
      sizes.map(({ height, width }) => height * width),
      (pixels) => {
        const frame = sizes.find(({ height, width }) => height * width === pixels)!;
        return { tracker: startTracker(model, frame, 1, fixed), size: frame };
      },
    ),
    await interleaved('memory', 'frames remembered', MEMORY, (frames) => {
      const tracker = startTracker(model, size, 1, fixed);
      const { pixels, labels } = syntheticFrame(size, 1);
      for (let i = 1; i < frames; i++) tracker.addReference(i, pixels, labels, 1);
      return { tracker, size };
    }),
  ];
  // The default memory policy, which has to keep the time of a frame constant.
  const tracker = startTracker(model, size, 1);
  const { pixels } = syntheticFrame(size, 1, 1);
  const times: number[] = [];
  for (let i = 0; i < videoFrames; i++) times.push(await timeSteps(tracker, pixels, i + 1, 1));
  tracker.dispose();
  const part = Math.floor(videoFrames / PARTS);
  const points = Array.from({ length: PARTS }, (_, i) => ({
    x: (i + 1) * part,
    wall: summarise(times.slice(i * part, (i + 1) * part)),
  }));
  for (const point of points) onPoint?.('frame', point);
  curves.push({ model: name, axis: 'frame', unit: 'frame of the video', points });
  model.dispose();
  return curves;
}

/** Time of a frame, of several in a row: a GPU that has to wait between frames slows its clock. */
async function timeSteps(tracker: DeAotTracker, pixels: Uint8Array, frame: number, count: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < count; i++) await tracker.step(frame + i, pixels);
  return (performance.now() - start) / count;
}
