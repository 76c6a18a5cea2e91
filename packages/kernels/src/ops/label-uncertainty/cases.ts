import { type OpCase, randomTensor } from '../case.js';
import { labelUncertainty } from './index.js';
import { labelUncertaintyReference } from './reference.js';

function uncertaintyCase(height: number, width: number, objects: number): OpCase {
  return {
    op: 'label-uncertainty',
    name: `${height}x${width}, ${objects} objects`,
    inputs: { logits: randomTensor([Math.ceil(objects / 10), height, width, 12], objects + 1, 6) },
    kernelsOnly: true,
    build: (_, { logits }) => labelUncertainty(logits!, { objects }),
    reference: ({ logits }) => [labelUncertaintyReference(logits!.values, height * width, objects)],
  };
}

export const cases: OpCase[] = [
  uncertaintyCase(1, 1, 1),
  uncertaintyCase(5, 7, 3),
  uncertaintyCase(8, 8, 10),
  uncertaintyCase(9, 13, 14),
  uncertaintyCase(5, 13, 301),
];
