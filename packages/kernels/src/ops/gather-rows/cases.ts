import type { Signature } from '../../op/signature.js';
import { lazyTensor, type OpCase, randomTensor, randomValues } from '../case.js';
import type { gatherRows } from './index.js';
import { gatherRowsReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { gatherRows: Signature<typeof gatherRows> };

/** @param count rows of the result, of which some are none. */
const gatherCase = (height: number, columns: number, count: number, filled: boolean): OpCase<Ops> => ({
  op: 'gather-rows',
  name: `${count} of [${height}, ${columns}]${filled ? ', filled' : ''}`,
  inputs: {
    x: randomTensor([height, columns], 1),
    rows: lazyTensor([count], () =>
      Int32Array.from(randomValues(count, 2), (v) => Math.floor((v + 0.8) * (height / 2))).map((row) =>
        Math.max(-1, Math.min(height - 1, row)),
      ),
    ),
    ...(filled ? { fill: randomTensor([columns], 3) } : {}),
  },
  build: (ops, { x, rows, fill }) => ops.gatherRows(x!, rows!, fill),
  reference: ({ x, rows, fill }) => [gatherRowsReference(x!.values, rows!.values, columns, fill?.values)],
});

export const cases: OpCase<Ops>[] = [
  gatherCase(1, 1, 1, false),
  gatherCase(7, 5, 13, true),
  gatherCase(3, 4, 65, true),
  gatherCase(64, 12, 97, false),
  gatherCase(100, 96, 1200, true),
];
