import { type DeAot, DeAotTracker, type Size, type TrackerOptions } from '@samtrack/models';

/** A picture with some structure and the masks of `objects` discs in it. */
export function syntheticFrame({ height, width }: Size, objects: number, frame = 0) {
  const pixels = new Uint8Array(height * width * 4);
  const labels = new Int32Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      for (let object = 1; object <= objects; object++) {
        const cx = (width * object) / (objects + 1) + 4 * frame;
        if ((x - cx) ** 2 + (y - height / 2) ** 2 < (width / (3 * (objects + 1))) ** 2) labels[i] = object;
      }
      const texture = (Math.imul(i + frame, 0x9e3779b1) >>> 26) + 64 * Math.sin(x / 30) * Math.cos(y / 20);
      pixels.set([96 + texture, (x / width) * 255, labels[i]! * 20 + 30, 255], i * 4);
    }
  }
  return { pixels, labels };
}

/** A tracker that has seen its first frame. */
export function startTracker(model: DeAot, size: Size, objects: number, options: TrackerOptions = {}): DeAotTracker {
  const tracker = new DeAotTracker(model, size, options);
  const { pixels, labels } = syntheticFrame(size, objects);
  tracker.addReference(0, pixels, labels, objects);
  return tracker;
}
