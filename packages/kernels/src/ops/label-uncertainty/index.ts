import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { fields, float32, number } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import labelUncertaintyWgsl from './label-uncertainty.wgsl';

const uncertainty = defineKernel({ name: 'label-uncertainty', template: labelUncertaintyWgsl });

/**
 * How sure the decoder is: for each position of its logits the label, and the entropy of the probabilities over background
 * and identities, divided by its largest value, ln(objects + 1). With several groups, probabilities are merged as
 * `labelDecode` merges them, and brought to the sum 1.
 *
 * @param logits float32 [groups, h, w, 12]: background, ten identities, one unused.
 * @param options.objects Identities that exist, 1..objects.
 * @returns float32 [h, w, 2]: the label, and the entropy, 0 (certain) to 1 (anything is as likely).
 * @throws ShapeError when the groups do not go with the objects.
 * @see Shannon, "A Mathematical Theory of Communication" (1948): entropy
 */
export const labelUncertainty = defineOp({
  name: 'label-uncertainty',
  takes: { logits: float32, options: fields<{ objects: number }>({ objects: number }) },
  kernels: [uncertainty],
  run(call, logits: Tensor, { objects }: { objects: number }): Tensor {
    const [groups, height, width, channels] = logits.shape as [number, number, number, number];
    if (logits.rank !== 4 || channels !== 12 || objects < 1 || groups !== Math.ceil(objects / 10)) {
      throw call.wrong(`logits [${Math.max(1, Math.ceil(objects / 10))}, h, w, 12]`, { logits });
    }
    const result = call.allocate([height, width, 2]);
    const positions = height * width;
    call.launch(uncertainty, {
      params: { MERGE: groups > 1 },
      tensors: { logits, result },
      uniforms: { positions, groups, objects, inverseLog: 1 / Math.log(objects + 1) },
      invocations: positions,
    });
    return result;
  },
});
