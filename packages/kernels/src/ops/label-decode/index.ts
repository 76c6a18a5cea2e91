import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { resizeScale } from '../../families/interpolation.js';
import { boolean, float32, number, record } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import labelDecodeWgsl from './label-decode.wgsl';

const decode = defineKernel({ name: 'label-decode', template: labelDecodeWgsl });

/** How logits become labels. */
export interface LabelDecodeOptions {
  /** Identities that exist, 1..objects; group g holds the ten from 10g + 1 on. */
  objects: number;
  /** Size of the label map. */
  height: number;
  width: number;
  /** Corner convention of the bilinear interpolation, as in PyTorch. */
  alignCorners: boolean;
}

/**
 * Labels from the decoder's logits: bilinear interpolation to the output size, then argmax over background and identities
 * (ties to the lowest id). With several groups, each group's softmax probabilities are merged first: the background is the
 * product of the groups' backgrounds, all are clamped to [1e-5, 1 - 1e-5] (AOT, soft aggregation).
 *
 * @param logits float32 [groups, h, w, 12]: background, ten identities, one unused.
 * @returns int32 [height, width].
 * @throws ShapeError when there are too few groups for the objects.
 */
export const labelDecode = defineOp({
  name: 'label-decode',
  takes: {
    logits: float32,
    options: record<LabelDecodeOptions>({ objects: number, height: number, width: number, alignCorners: boolean }),
  },
  kernels: [decode],
  run(call, logits: Tensor, options: LabelDecodeOptions): Tensor {
    const { objects, height, width, alignCorners } = options;
    const [groups, inHeight, inWidth, channels] = logits.shape as [number, number, number, number];
    const expected = Math.max(1, Math.ceil(objects / 10));
    if (logits.rank !== 4 || channels !== 12 || groups !== expected) {
      throw call.wrong(`logits [${expected}, h, w, 12]`, { logits });
    }
    const labels = call.allocate([height, width], 'int32');
    call.launch(decode, {
      params: { MERGE: groups > 1 },
      tensors: { logits, labels },
      uniforms: {
        inWidth,
        inHeight,
        outWidth: width,
        outHeight: height,
        scaleX: resizeScale(inWidth, width, alignCorners),
        scaleY: resizeScale(inHeight, height, alignCorners),
        shift: alignCorners ? 0 : 0.5,
        groups,
        objects,
      },
      invocations: height * width,
    });
    return labels;
  },
});
