import { type OpCase, randomTensor } from '../case.js';
import { type LabelArgmaxOptions, labelArgmax } from './index.js';
import { labelArgmaxReference } from './reference.js';

function argmaxCase(inHeight: number, inWidth: number, channels: number, options: LabelArgmaxOptions): OpCase {
  const { classes, height, width, alignCorners } = options;
  return {
    op: 'label-argmax',
    name: `${inHeight}x${inWidth} -> ${height}x${width}, ${classes} of ${channels}, ${alignCorners ? 'aligned corners' : 'half pixels'}`,
    inputs: { maps: randomTensor([inHeight, inWidth, channels], classes) },
    kernelsOnly: true,
    build: (_, { maps }) => labelArgmax(maps!, options),
    reference: ({ maps }) => [labelArgmaxReference(maps!.values, inHeight, inWidth, channels, options)],
  };
}

export const cases: OpCase[] = [
  argmaxCase(1, 1, 4, { classes: 1, height: 3, width: 2, alignCorners: true }),
  argmaxCase(5, 7, 4, { classes: 3, height: 1, width: 1, alignCorners: true }),
  argmaxCase(9, 11, 12, { classes: 12, height: 37, width: 41, alignCorners: true }),
  argmaxCase(9, 11, 44, { classes: 41, height: 36, width: 44, alignCorners: false }),
];
