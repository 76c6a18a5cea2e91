import type { DetectOptions, Detector, EverythingOptions, Segmenter } from '../assist/index.js';
import type { RgbaImage } from '../io/index.js';
import type { Candidate } from './candidate.js';

/** Finds what may be objects in a picture. */
export interface CandidateSource {
  /** Where its objects come from, for the table of objects. */
  readonly kind: 'everything' | 'text';
  /** What is found in a frame. */
  find(image: RgbaImage, signal?: AbortSignal): Promise<Candidate[]>;
}

/** Everything there is to see: SAM-Track's automatic mode. */
export const everything = (segmenter: Segmenter, options: EverythingOptions = {}): CandidateSource => ({
  kind: 'everything',
  async find(image, signal) {
    const records = await segmenter.everything(image, { ...options, signal });
    return records.map(({ mask, score }) => ({ mask, score }));
  },
});

/** Options of `describedBy`; by default the thresholds of the detector. */
export interface TextOptions extends Omit<DetectOptions, 'signal'> {
  /** Boxes that cover more than this share of the picture are left out; default 1, none. */
  maxBoxShare?: number | undefined;
}

/**
 * What a text describes: boxes of a detector, each turned into a mask by the segmenter, which sees the best one a second time.
 * SAM-Track calls this object-of-interest segmentation.
 */
export const describedBy = (
  detector: Detector,
  segmenter: Segmenter,
  { maxBoxShare = 1, ...options }: TextOptions,
): CandidateSource => ({
  kind: 'text',
  async find(image, signal) {
    const detections = await detector.detect(image, { ...options, signal });
    const fitting = detections.filter(
      ({ box: [x0, y0, x1, y1] }) => (x1 - x0) * (y1 - y0) <= maxBoxShare * image.width * image.height,
    );
    if (fitting.length === 0) return [];
    await segmenter.setImage(image, { signal });
    const candidates: Candidate[] = [];
    for (const { box, label, score } of fitting) {
      const [best] = await segmenter.predict({ box }, { refine: true, signal });
      if (best) candidates.push({ mask: best.mask, label, score });
    }
    return candidates;
  },
});
