import { tidy } from '@tensorflow/tfjs-core';
import { lazyTensor, type OpCase, randomValues } from '../case.js';
import { makeResizePlan, preprocess, suitableResize } from './index.js';
import { preprocessReference } from './reference.js';

function preprocessCase(inHeight: number, inWidth: number, height: number, width: number): OpCase {
  const method = suitableResize(inHeight, inWidth, height, width);
  const pixels = lazyTensor([inHeight, inWidth], () => {
    const values = new Int32Array(randomValues(inHeight * inWidth, 3).map((v) => Math.floor((v + 1) * 2 ** 31)));
    // Smooth content beside noise shows a shifted grid. Means of it often lie half-way between two grey levels and may round
    // either way, so the area method gets noise only.
    for (let i = 0; method !== 'area' && i < values.length; i++) {
      values[i] = (((i % inWidth) * 5) & 0xff) | (((Math.floor(i / inWidth) * 3) & 0xff) << 8) | (values[i]! & ~0xffff);
    }
    return values;
  });
  return {
    op: 'preprocess',
    name: `${inHeight}x${inWidth} -> ${height}x${width}, ${method}`,
    inputs: { pixels },
    kernelsOnly: true,
    build: (_, { pixels }) => tidy(() => preprocess(pixels!, makeResizePlan(inHeight, inWidth, height, width))),
    reference: ({ pixels }) => [
      preprocessReference(pixels!.values as Int32Array, inHeight, inWidth, height, width, method),
    ],
  };
}

export const cases: OpCase[] = [
  preprocessCase(1, 1, 3, 2),
  preprocessCase(17, 23, 17, 23),
  preprocessCase(40, 60, 33, 49),
  preprocessCase(20, 31, 33, 65),
  preprocessCase(53, 85, 24, 43),
  preprocessCase(60, 70, 17, 33),
];
