import { fusedOps } from '@samtrack/kernels';
import type { DeAotName, DeAotTracker } from '@samtrack/models';
import { type Curve, type CurveOptions, measureCurve, timeSteps } from '../curve.js';
import { summarise } from '../statistics.js';
import { loadDeAot } from './frame.js';
import { startTracker, syntheticFrame } from './scene.js';

const OBJECTS = [1, 5, 10, 20, 40];
const MEMORY = [1, 2, 4, 8];
const HEIGHTS = [240, 360, 480, 720];
/** A video is cut into this many parts, whose medians show whether frames grow slower. */
const PARTS = 6;

/**
 * Times frames of our tracker with more objects, larger frames, a longer memory and a longer video. Points of one curve
 * are measured in turn, round by round, so that what else happens on the machine happens to all of them.
 */
export async function measureCurves(name: DeAotName, options: CurveOptions): Promise<Curve[]> {
  const { size, rounds, videoFrames, onPoint } = options;
  const model = await loadDeAot(name, fusedOps);
  const subject = (tracker: DeAotTracker) => ({ tracker, pixels: syntheticFrame(tracker.size, 1, 1).pixels });
  const curve = (axis: Curve['axis'], unit: string, values: readonly number[], start: (x: number) => DeAotTracker) =>
    measureCurve({ model: name, axis, unit }, values, { rounds, onPoint }, async (x) => subject(start(x)));
  // A memory that stays as it is.
  const fixed = { longTermGap: 1e9 };
  const sizes = HEIGHTS.map((height) => ({ height, width: 2 * Math.round((height * size.width) / size.height / 2) }));
  const curves = [
    await curve('objects', 'objects', OBJECTS, (objects) => startTracker(model, size, objects, fixed)),
    await curve(
      'pixels',
      'pixels',
      sizes.map(({ height, width }) => height * width),
      (pixels) => startTracker(model, sizes.find(({ height, width }) => height * width === pixels)!, 1, fixed),
    ),
    await curve('memory', 'frames remembered', MEMORY, (frames) => {
      const tracker = startTracker(model, size, 1, fixed);
      const { pixels, labels } = syntheticFrame(size, 1);
      for (let i = 1; i < frames; i++) tracker.addReference(i, pixels, labels, 1);
      return tracker;
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
