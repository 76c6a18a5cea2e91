import type { Activation } from '../../families/activation/index.js';
import type { Signature } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor } from '../case.js';
import type { broadcastAdd } from './index.js';
import { broadcastAddReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { broadcastAdd: Signature<typeof broadcastAdd> };

const addCase = (
  x: number[],
  y: number[],
  { bench, activation }: { bench?: BenchRequest; activation?: Activation } = {},
): OpCase<Ops> => ({
  op: 'broadcast-add',
  name: `[${x.join(', ')}] + [${y.join(', ')}]${activation ? `, ${activation}` : ''}`,
  inputs: { x: randomTensor(x, 1), y: randomTensor(y, 2) },
  build: (ops, { x, y }) => ops.broadcastAdd(x!, y!, { activation }),
  reference: ({ x, y }) => [broadcastAddReference(x!.values, y!.values, activation)],
  ...benchOf(bench, { size: x.join('x'), flops: x.reduce((a, b) => a * b), bytes: 8 * x.reduce((a, b) => a * b) }),
});

export const cases: OpCase<Ops>[] = [
  addCase([1], [1]),
  addCase([5, 7], [7]),
  addCase([3, 5, 12], [5, 12]),
  addCase([65, 4], [65, 4]),
  addCase([5, 7], [7], { activation: 'gelu' }),
  addCase([9, 16], [16], { activation: 'sigmoid' }),
  addCase([2, 33, 8], [33, 8], { activation: 'gelu' }),
  addCase([70_001, 64], [64]),
  addCase([4, 4096, 256], [4096, 256], { bench: true }),
];
