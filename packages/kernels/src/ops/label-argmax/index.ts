import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { resizeScale } from '../../families/interpolation.js';
import { boolean, float32, number, record } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import labelArgmaxWgsl from './label-argmax.wgsl';

const argmax = defineKernel({ name: 'label-argmax', template: labelArgmaxWgsl });

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
 * @see `torch.nn.functional.interpolate` and `torch.argmax`: https://pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html
 */
export const labelArgmax = defineOp({
  name: 'label-argmax',
  takes: {
    maps: float32,
    options: record<LabelArgmaxOptions>({ classes: number, height: number, width: number, alignCorners: boolean }),
  },
  kernels: [argmax],
  run(call, maps: Tensor, options: LabelArgmaxOptions): Tensor {
    const { classes, height, width, alignCorners } = options;
    const [inHeight, inWidth, channels] = maps.shape as [number, number, number];
    if (maps.rank !== 3 || channels % 4 !== 0 || classes < 1 || classes > channels) {
      throw call.wrong(`maps [h, w, L], L a multiple of 4 and at least ${classes}`, { maps });
    }
    const labels = call.allocate([height, width], 'int32');
    call.launch(argmax, {
      tensors: { maps, labels },
      uniforms: {
        inWidth,
        inHeight,
        outWidth: width,
        outHeight: height,
        scaleX: resizeScale(inWidth, width, alignCorners),
        scaleY: resizeScale(inHeight, height, alignCorners),
        shift: alignCorners ? 0 : 0.5,
        channels4: channels / 4,
        classes,
      },
      invocations: height * width,
    });
    return labels;
  },
});
