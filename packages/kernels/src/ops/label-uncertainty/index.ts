import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram, f32 } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { ShapeError } from '../shape-error.js';
import labelUncertaintyWgsl from './label-uncertainty.wgsl';

/**
 * How sure the decoder is: for each position of its logits the label, and the entropy of the probabilities over background
 * and identities, divided by its largest value, ln(objects + 1). With several groups, probabilities are merged as
 * `labelDecode` merges them, and brought to the sum 1.
 *
 * @param logits float32 [groups, h, w, 12]: background, ten identities, one unused.
 * @param options.objects Identities that exist, 1..objects.
 * @returns float32 [h, w, 2]: the label, and the entropy, 0 (certain) to 1 (anything is as likely).
 * @throws ShapeError when the groups do not go with the objects.
 */
export function labelUncertainty(logits: Tensor, { objects }: { objects: number }): Tensor {
  const runtime = getRuntime();
  const [groups, height, width, channels] = logits.shape as [number, number, number, number];
  if (logits.rank !== 4 || channels !== 12 || objects < 1 || groups !== Math.ceil(objects / 10)) {
    throw new ShapeError('labelUncertainty', `logits [${Math.max(1, Math.ceil(objects / 10))}, h, w, 12]`, { logits });
  }
  const out = runtime.allocate([height, width, 2]);
  runtime.launch({
    program: defineProgram({
      name: 'label-uncertainty',
      template: labelUncertaintyWgsl,
      params: { MERGE: groups > 1 },
      buffers: ['read', 'write'],
    }),
    inputs: [logits],
    outputs: [out],
    uniforms: [height * width, groups, objects, f32(1 / Math.log(objects + 1))],
    workgroups: foldWorkgroups(Math.ceil((height * width) / 64)),
  });
  return out;
}
