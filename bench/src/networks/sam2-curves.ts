import { openManifest, SAM2_CONFIGS, Sam2Model, Sam2Tracker } from '@samtrack/models';
import { type Curve, type CurveOptions, measureCurve } from '../curve.js';
import { syntheticFrame } from '../deaot/scene.js';
import { sam2Manifest } from '../weights/sam2.js';
import type { Sam2BenchName } from './sam2.js';

const OBJECTS = [1, 3, 10];

/** Frames after which the memories of frames are as many as they will be. */
const FULL = 6;

/** Times frames of our tracker with more objects, with full memories; at 1024 or, for `size`, the height of a frame. */
export async function measureSam2Curves(
  name: Sam2BenchName,
  { size, rounds, onPoint }: Omit<CurveOptions, 'size'> & { size?: CurveOptions['size'] | undefined },
): Promise<Curve[]> {
  const config = SAM2_CONFIGS[name];
  const imageSize = size?.height ?? config.imageSize;
  const frameSize = { height: imageSize, width: imageSize };
  const model = await Sam2Model.load(openManifest(sam2Manifest(config)), { imageSize });
  try {
    const curve = { model: `${name}@${imageSize}x${imageSize}`, axis: 'objects', unit: 'objects' } as const;
    const start = async (objects: number) => {
      const tracker = new Sam2Tracker(model, frameSize);
      const { pixels, labels } = syntheticFrame(frameSize, objects);
      await tracker.addReference(0, pixels, labels, objects);
      for (let frame = 1; frame <= FULL; frame++) await tracker.step(frame, pixels);
      return { tracker, pixels, next: FULL + 1 };
    };
    return [await measureCurve(curve, OBJECTS, { rounds, onPoint }, start, 1)];
  } finally {
    model.dispose();
  }
}
