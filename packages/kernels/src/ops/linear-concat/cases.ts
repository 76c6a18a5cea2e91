import type { Signature } from '../../op/signature.js';
import { type OpCase, randomTensor, sideBySide } from '../case.js';
import { gemmReference } from '../gemm/reference.js';
import type { LinearPart, linearConcat } from './index.js';

/** What the cases need of a set. */
type Ops = { linearConcat: Signature<typeof linearConcat> };

const [m, k] = [19, 16];

const parts = ({ x, w1, b1, w2, b2, residual }: Record<string, unknown>): LinearPart[] =>
  [
    { x, weight: w1, bias: b1, xColumns: [0, k], activation: 'silu' },
    { x, weight: w2, bias: b2, residual, xColumns: [k, k] },
  ] as LinearPart[];

export const cases: OpCase<Ops>[] = [
  {
    op: 'linear-concat',
    name: 'two halves of x into one matrix',
    inputs: {
      x: randomTensor([m, 2 * k], 1),
      w1: randomTensor([k, 24], 2),
      b1: randomTensor([24], 3),
      w2: randomTensor([k, 40], 4),
      b2: randomTensor([40], 5),
      residual: randomTensor([m, 40], 6),
    },
    build: (ops, inputs) => ops.linearConcat(parts(inputs)),
    reference: ({ x, w1, b1, w2, b2, residual }) => {
      const half = (first: number) =>
        Float32Array.from({ length: m * k }, (_, i) => x!.values[Math.floor(i / k) * 2 * k + first + (i % k)]!);
      const left = gemmReference(half(0), w1!.values, { m, n: 24, k }, { bias: b1!.values, activation: 'silu' });
      const right = gemmReference(
        half(k),
        w2!.values,
        { m, n: 40, k },
        { bias: b2!.values, residual: residual!.values },
      );
      return [sideBySide(left, right, m)];
    },
  },
];
