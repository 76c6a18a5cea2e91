import { emptyLabelMap, type LabelMap } from '../io/label-map.js';
import { scoreFrame } from './frame-scores.js';

/** A binary mask: `width * height` values from the top, anything but 0 is foreground. */
export interface BinaryMask {
  width: number;
  height: number;
  data: ArrayLike<number>;
}

function asLabels(mask: BinaryMask, ignore: BinaryMask | undefined): LabelMap {
  const map = emptyLabelMap(mask.width, mask.height);
  for (let i = 0; i < map.data.length; i++) if (mask.data[i] && !ignore?.data[i]) map.data[i] = 1;
  return map;
}

function checkSizes(...masks: (BinaryMask | undefined)[]): void {
  const [{ width, height }] = masks as [BinaryMask];
  for (const mask of masks) {
    if (mask && (mask.width !== width || mask.height !== height || mask.data.length !== width * height)) {
      throw new RangeError(`masks of different sizes: ${mask.width}x${mask.height} and ${width}x${height}`);
    }
  }
}

/**
 * Region similarity J and boundary measure F of one mask against the truth.
 *
 * Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation" (CVPR 2016), with the conventions of
 * the DAVIS 2017 toolkit: J of two empty masks is 1; F's tolerance is 0.8 % of the diagonal, rounded up.
 * @param ignore pixels that count for neither (void)
 * Throws `RangeError` for masks of different sizes.
 */
export function scoreMask(result: BinaryMask, truth: BinaryMask, ignore?: BinaryMask): { j: number; f: number } {
  checkSizes(result, truth, ignore);
  const { j, f } = scoreFrame(asLabels(truth, ignore), asLabels(result, ignore), 1, 1, 'same');
  return { j: j[0]!, f: f[0]! };
}
