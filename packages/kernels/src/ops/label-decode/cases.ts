import { type OpCase, randomTensor } from '../case.js';
import { type LabelDecodeOptions, labelDecode } from './index.js';
import { labelDecodeReference } from './reference.js';

function decodeCase(inHeight: number, inWidth: number, options: LabelDecodeOptions): OpCase {
  const groups = Math.max(1, Math.ceil(options.objects / 10));
  const { height, width, objects, alignCorners } = options;
  return {
    op: 'label-decode',
    name: `${inHeight}x${inWidth} -> ${height}x${width}, ${objects} objects, ${alignCorners ? 'aligned corners' : 'half pixels'}`,
    inputs: { logits: randomTensor([groups, inHeight, inWidth, 12], objects + 1, 6) },
    kernelsOnly: true,
    build: (_, { logits }) => labelDecode(logits!, options),
    reference: ({ logits }) => [
      Float64Array.from(labelDecodeReference(logits!.values, groups, inHeight, inWidth, options)),
    ],
  };
}

export const cases: OpCase[] = [
  decodeCase(1, 1, { height: 3, width: 2, objects: 1, alignCorners: true }),
  decodeCase(5, 7, { height: 1, width: 1, objects: 3, alignCorners: true }),
  decodeCase(9, 11, { height: 37, width: 41, objects: 10, alignCorners: true }),
  decodeCase(9, 11, { height: 36, width: 44, objects: 4, alignCorners: false }),
  decodeCase(9, 11, { height: 37, width: 41, objects: 14, alignCorners: true }),
  decodeCase(8, 6, { height: 30, width: 25, objects: 31, alignCorners: false }),
];
