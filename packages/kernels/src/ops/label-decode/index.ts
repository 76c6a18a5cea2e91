import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram, f32 } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { resizeScale } from '../resize-bilinear/index.js';
import { ShapeError } from '../shape-error.js';
import labelDecodeWgsl from './label-decode.wgsl';

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
export function labelDecode(logits: Tensor, options: LabelDecodeOptions): Tensor {
  const { objects, height, width, alignCorners } = options;
  const runtime = getRuntime();
  const [groups, inHeight, inWidth, channels] = logits.shape as [number, number, number, number];
  if (logits.rank !== 4 || channels !== 12 || groups !== Math.max(1, Math.ceil(objects / 10))) {
    throw new ShapeError('labelDecode', `logits [${Math.max(1, Math.ceil(objects / 10))}, h, w, 12]`, { logits });
  }
  const out = runtime.allocate([height, width], 'int32');
  runtime.launch({
    program: defineProgram({
      name: 'label-decode',
      template: labelDecodeWgsl,
      params: { MERGE: groups > 1 },
      buffers: ['read', 'write'],
    }),
    inputs: [logits],
    outputs: [out],
    uniforms: [
      inWidth,
      inHeight,
      width,
      height,
      f32(resizeScale(inWidth, width, alignCorners)),
      f32(resizeScale(inHeight, height, alignCorners)),
      f32(alignCorners ? 0 : 0.5),
      groups,
      objects,
    ],
    workgroups: foldWorkgroups(Math.ceil((height * width) / 64)),
  });
  return out;
}
