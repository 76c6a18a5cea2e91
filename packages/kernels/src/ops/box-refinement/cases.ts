import type { Signature } from '../../op/signature.js';
import { type OpCase, randomTensor } from '../case.js';
import type { RefineBoxesOptions, refineBoxes } from './index.js';

/** What the cases need of a set. */
type Ops = { refineBoxes: Signature<typeof refineBoxes> };

function refineCase(name: string, queries: number, reach: number, options: RefineBoxesOptions = {}): OpCase<Ops> {
  const { eps = 1e-3 } = options;
  const boxes = randomTensor([queries, 4], 2, 1, (value) => value * 0.55 + 0.5);
  return {
    op: 'box-refinement',
    name: `${queries} boxes, ${name}`,
    inputs: { delta: randomTensor([queries, 4], 1, reach), boxes },
    build: (ops, { delta, boxes }) => ops.refineBoxes(delta!, boxes!, options),
    reference: ({ delta, boxes }) => [
      Float64Array.from(boxes!.values, (value, i) => {
        const inside = Math.min(1, Math.max(0, value));
        const logit = Math.log(Math.max(inside, eps) / Math.max(1 - inside, eps));
        return 1 / (1 + Math.exp(-(delta!.values[i]! + logit)));
      }),
    ],
  };
}

/** Boxes that reach beyond the image, moves far beyond what the sigmoid resolves, another eps. */
export const cases: OpCase<Ops>[] = [
  refineCase('small moves', 67, 1),
  refineCase('moves that leave nothing of them', 9, 500),
  refineCase('clamped at 1e-5', 130, 4, { eps: 1e-5 }),
];
