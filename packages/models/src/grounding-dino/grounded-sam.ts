import type { PixelImage } from '../image/index.js';
import type { SamMask, SamPredictor } from '../sam/index.js';
import type { GroundedDetection, GroundingDetector, GroundingOptions } from './detector.js';
import type { Wanted } from './request.js';

/** What was found at one place, and its mask. */
export interface GroundedMask extends GroundedDetection {
  readonly mask: SamMask;
}

/** What makes masks of boxes; `SamPredictor` does. */
export type BoxSegmenter = Pick<SamPredictor, 'setImage' | 'predictBatch'>;

/** The detector's share of the work, for progress. */
const DETECTION = 0.5;

/**
 * Masks of what a text names: Segment Anything, shown the boxes that Grounding DINO finds (Ren et al., "Grounded SAM", 2024).
 * Each box gives one mask, the network's answer to a clear prompt. The image is encoded for the masks only if something is found.
 *
 * @returns In descending score of the box; empty if nothing is found.
 * @throws As `GroundingDetector.detect`, `SamPredictor.setImage` and `SamPredictor.predictBatch`.
 */
export async function segmentByText(
  detector: GroundingDetector,
  predictor: BoxSegmenter,
  image: PixelImage,
  wanted: Wanted & GroundingOptions,
): Promise<GroundedMask[]> {
  const { signal, onProgress } = wanted;
  const { detections } = await detector.detect(image, {
    ...wanted,
    onProgress: (fraction) => onProgress?.(DETECTION * fraction),
  });
  if (detections.length === 0) {
    onProgress?.(1);
    return [];
  }
  await predictor.setImage(image, { signal });
  const masks = await predictor.predictBatch(
    detections.map(({ box }) => ({ box })),
    { masks: 'single', signal, onProgress: (fraction) => onProgress?.(DETECTION + (1 - DETECTION) * fraction) },
  );
  return detections.map((detection, i) => ({ ...detection, mask: masks[i]![0]! }));
}
