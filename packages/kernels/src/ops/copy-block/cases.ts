import { add } from '@tensorflow/tfjs-core';
import type { Signature } from '../../op/signature.js';
import { type OpCase, randomTensor } from '../case.js';
import { type concatColumns, copyBlock } from './index.js';

/** What the cases need of a set. */
type Ops = { concatColumns: Signature<typeof concatColumns> };

/** Copies [rows, columns] from (row, column) of one matrix to (toRow, toColumn) of another. */
function blockCase(c: {
  row: number;
  column: number;
  rows: number;
  columns: number;
  toRow: number;
  toColumn: number;
}): OpCase<Ops> {
  const { row, column, rows, columns } = c;
  const at = { row: c.toRow, column: c.toColumn };
  return {
    op: 'copy-block',
    name: `${c.rows}x${c.columns} from (${c.row}, ${c.column}) to (${c.toRow}, ${c.toColumn})`,
    inputs: { x: randomTensor([20, 24], 1), target: randomTensor([30, 32], 2) },
    kernelsOnly: true,
    build: (_, { x, target }) => copyBlock(x!, add(target!, 0), at, { row, column, rows, columns }),
    reference: ({ x, target }) => {
      const out = Float64Array.from(target!.values);
      for (let r = 0; r < c.rows; r++) {
        for (let k = 0; k < c.columns; k++) {
          out[(c.toRow + r) * 32 + c.toColumn + k] = x!.values[(c.row + r) * 24 + c.column + k]!;
        }
      }
      return [out];
    },
  };
}

const withinCase: OpCase<Ops> = {
  op: 'copy-block',
  name: 'within one matrix',
  inputs: { x: randomTensor([8, 20], 1) },
  kernelsOnly: true,
  build: (_, { x }) => {
    const target = add(x!, 0);
    return copyBlock(target, target, { row: 0, column: 8 }, { row: 5, column: 8, rows: 3, columns: 12 });
  },
  reference: ({ x }) => {
    const out = Float64Array.from(x!.values);
    for (let r = 0; r < 3; r++) for (let c = 8; c < 20; c++) out[r * 20 + c] = x!.values[(r + 5) * 20 + c]!;
    return [out];
  },
};

const concatCase: OpCase<Ops> = {
  op: 'copy-block',
  name: 'matrices side by side',
  inputs: { a: randomTensor([9, 16], 1), b: randomTensor([9, 8], 2) },
  build: (ops, { a, b }) => ops.concatColumns([{ x: a!, columns: [4, 8] }, { x: b! }]),
  reference: ({ a, b }) => [
    Float64Array.from({ length: 9 * 16 }, (_, i) => {
      const [r, c] = [Math.floor(i / 16), i % 16];
      return c < 8 ? a!.values[r * 16 + 4 + c]! : b!.values[r * 8 + c - 8]!;
    }),
  ],
};

export const cases: OpCase<Ops>[] = [
  blockCase({ row: 0, column: 0, rows: 20, columns: 24, toRow: 3, toColumn: 4 }),
  blockCase({ row: 5, column: 3, rows: 7, columns: 13, toRow: 11, toColumn: 9 }),
  blockCase({ row: 19, column: 23, rows: 1, columns: 1, toRow: 29, toColumn: 31 }),
  withinCase,
  concatCase,
];
