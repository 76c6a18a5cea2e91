import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram, f32 } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { resizeScale } from '../resize-bilinear/index.js';
import { ShapeError } from '../shape-error.js';
import labelArgmaxWgsl from './label-argmax.wgsl';

/** How maps of shares become labels. */
export interface LabelArgmaxOptions {
  /** Labels that exist: 0 is background, then the objects. */
  classes: number;
  /** Size of the label map. */
  height: number;
  width: number;
  /** Corner convention of the bilinear interpolation, as in PyTorch. */
  alignCorners: boolean;
}

/**
 * The label with the largest share at each pixel: bilinear interpolation to the output size, then argmax, ties to the lowest
 * label. Unlike `labelDecode` it merges nothing: one map holds all labels.
 *
 * @param maps float32 [h, w, L], L a multiple of 4; channels from `classes` on are ignored.
 * @returns int32 [height, width].
 * @throws ShapeError when the operands do not fit.
 */
export function labelArgmax(maps: Tensor, options: LabelArgmaxOptions): Tensor {
  const { classes, height, width, alignCorners } = options;
  const runtime = getRuntime();
  const [inHeight, inWidth, channels] = maps.shape as [number, number, number];
  if (maps.rank !== 3 || channels % 4 !== 0 || classes < 1 || classes > channels) {
    throw new ShapeError('labelArgmax', `maps [h, w, L], L a multiple of 4 and at least ${classes}`, { maps });
  }
  const out = runtime.allocate([height, width], 'int32');
  runtime.launch({
    program: defineProgram({
      name: 'label-argmax',
      template: labelArgmaxWgsl,
      params: {},
      buffers: ['read', 'write'],
    }),
    inputs: [maps],
    outputs: [out],
    uniforms: [
      inWidth,
      inHeight,
      width,
      height,
      f32(resizeScale(inWidth, width, alignCorners)),
      f32(resizeScale(inHeight, height, alignCorners)),
      f32(alignCorners ? 0 : 0.5),
      channels / 4,
      classes,
    ],
    workgroups: foldWorkgroups(Math.ceil((height * width) / 64)),
  });
  return out;
}
