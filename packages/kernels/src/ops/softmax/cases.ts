import { add } from '@tensorflow/tfjs-core';
import { type OpCase, randomTensor } from '../case.js';
import { softmaxRows } from './index.js';
import { softmaxReference } from './reference.js';

function softmaxCase(rows: number, columns: number, valid = columns, scale = 3): OpCase {
  return {
    op: 'softmax',
    name: `${rows}x${columns}, ${valid} valid${scale > 10 ? ', large' : ''}`,
    inputs: { x: randomTensor([rows, columns], 1, scale) },
    variants: (adapter) => softmaxRows.supported({ rows, columns }, adapter),
    kernelsOnly: true,
    build: (_, { x }) => softmaxRows(add(x!, 0), valid),
    reference: ({ x }) => [softmaxReference(x!.values, rows, columns, valid)],
  };
}

export const cases: OpCase[] = [
  softmaxCase(1, 4),
  softmaxCase(3, 4, 1),
  softmaxCase(7, 36, 33),
  softmaxCase(70, 532, 531),
  softmaxCase(5, 4100, 4099, 80),
];
