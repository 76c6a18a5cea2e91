import { add } from '@tensorflow/tfjs-core';
import type { Signature } from '../../op/signature.js';
import { type OpCase, randomTensor } from '../case.js';
import { transpose } from './index.js';

/** What the cases need of a set. */
type Ops = { transpose: Signature<typeof transpose> };

function transposeCase(rows: number, columns: number): OpCase<Ops> {
  return {
    op: 'transpose',
    name: `${rows}x${columns}`,
    inputs: { x: randomTensor([rows, columns]) },
    build: (ops, { x }) => ops.transpose(x!),
    reference: ({ x }) => [
      Float64Array.from({ length: rows * columns }, (_, i) => x!.values[(i % rows) * columns + Math.floor(i / rows)]!),
    ],
  };
}

/** Columns 3..8 of x, into columns 5..12 of a target whose other columns stay. */
const blockCase: OpCase<Ops> = {
  op: 'transpose',
  name: 'columns into a block of a target',
  inputs: { x: randomTensor([7, 11]), target: randomTensor([5, 20], 2) },
  kernelsOnly: true,
  build: (_, { x, target }) => transpose(x!, { columns: [3, 5], into: { tensor: add(target!, 0), column: 5 } }),
  reference: ({ x, target }) => {
    const out = Float64Array.from(target!.values);
    for (let r = 0; r < 7; r++) for (let c = 0; c < 5; c++) out[c * 20 + 5 + r] = x!.values[r * 11 + 3 + c]!;
    return [out];
  },
};

export const cases: OpCase<Ops>[] = [transposeCase(1, 1), transposeCase(70, 13), transposeCase(67, 128), blockCase];
