/** Something for each model to do, so that `tune` sees which kernels it uses. */
import { GroundingDetector, GroundingDino, type RefiningPredictor, type Size } from '@samtrack/models';
import { type WeightsOptions, withWeights } from '../../io/weights.js';
import { loadTrackingModel } from '../../tracking/tracking-model.js';
import { loadPredictor, type SegmenterSettings } from '../common/assistants.js';
import type { TrackerSettings } from '../common/tracking.js';

/** A loaded model. */
export interface TunableModel {
  /** Everything that the model does, once. */
  work(): Promise<void>;
  dispose(): void;
}

export type LoadOptions = Required<Pick<WeightsOptions, 'signal' | 'onProgress'>>;

/** Frames that are remembered when a tracker is tuned, from one on: their number decides about shapes. */
const REMEMBERED = 4;

/** What `samtrack track` does, with an object more or less the same. */
export async function tunableTracker(
  { tracker: kind, model: name, weights, tracking }: TrackerSettings,
  size: Size,
  options: LoadOptions,
): Promise<TunableModel> {
  const { longEdge } = tracking;
  const model = await loadTrackingModel({ tracker: kind, model: name, weights, longEdge, ...options });
  return {
    work: async () => {
      const rgba = picture(size);
      const predictor = model.predictor?.();
      if (predictor) await click(predictor, size, rgba, options.signal);
      const tracker = model.start(size, { ...tracking, longTermGap: 1 });
      try {
        await tracker.addReference(0, rgba, square(size), 1);
        for (let i = 1; i <= Math.max(REMEMBERED, model.settlesAfter); i++) {
          options.signal.throwIfAborted();
          await tracker.step(i, rgba);
        }
      } finally {
        tracker.dispose();
      }
    },
    dispose: () => model.dispose(),
  };
}

/** What `samtrack segment` does with an image and a click. */
export async function tunableSegmenter(
  settings: SegmenterSettings,
  size: Size,
  options: LoadOptions,
): Promise<TunableModel> {
  const predictor = await loadPredictor(settings, options);
  return {
    work: () => click(predictor, size, picture(size), options.signal),
    dispose: () => {
      predictor.dispose();
      predictor.model.dispose();
    },
  };
}

/** Looks at an image and at what a click shows, and forgets it. */
async function click(
  predictor: RefiningPredictor,
  { height, width }: Size,
  data: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  await predictor.setImage({ height, width, data }, { signal });
  await predictor.predict({ points: [[width / 2, height / 2]], labels: [1] });
  predictor.dispose();
}

/** What `samtrack detect` does with an image and a short text. */
export async function tunableDetector(weights: string, size: Size, options: LoadOptions): Promise<TunableModel> {
  const model = await withWeights(weights, options, (checkpoint) =>
    GroundingDino.load(checkpoint, { signal: options.signal }),
  );
  const detector = new GroundingDetector(model);
  return {
    work: async () => {
      await detector.detect({ ...size, data: picture(size) }, { text: 'person. car. dog.', signal: options.signal });
    },
    dispose: () => {
      detector.dispose();
      model.dispose();
    },
  };
}

/** RGBA with some structure. */
function picture({ height, width }: Size): Uint8Array {
  const rgba = new Uint8Array(4 * height * width).fill(255);
  for (let i = 0; i < height * width; i++) {
    const wave = 128 + 100 * Math.sin((i % width) / 9) * Math.cos(Math.floor(i / width) / 7);
    rgba.set([wave, 255 - wave, i & 255], 4 * i);
  }
  return rgba;
}

/** The labels of one object in the middle. */
function square({ height, width }: Size): Int32Array {
  const labels = new Int32Array(height * width);
  for (let y = height >> 2; y < (3 * height) >> 2; y++) {
    labels.fill(1, y * width + (width >> 2), y * width + ((3 * width) >> 2));
  }
  return labels;
}
