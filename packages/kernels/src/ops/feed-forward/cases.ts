import type { Activation } from '../../families/activation/index.js';
import type { Signature } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor } from '../case.js';
import { gemmReference } from '../gemm/reference.js';
import type { feedForward } from './index.js';

/** What the cases need of a set. */
type Ops = { feedForward: Signature<typeof feedForward> };

interface FeedForwardCase {
  tokens: number;
  width: number;
  hidden: number;
  activation: Activation;
  residual?: boolean;
  workspaceBytes?: number;
  bench?: BenchRequest;
}

function feedForwardCase(c: FeedForwardCase): OpCase<Ops> {
  const { tokens, width, hidden, activation, residual, workspaceBytes, bench } = c;
  const inputs: OpCase<Ops>['inputs'] = {
    x: randomTensor([tokens, width], 1),
    weight1: randomTensor([width, hidden], 2),
    bias1: randomTensor([hidden], 3),
    weight2: randomTensor([hidden, width], 4, 0.2),
    bias2: randomTensor([width], 5),
  };
  if (residual) inputs.residual = randomTensor([tokens, width], 6);
  return {
    op: 'feed-forward',
    name: `${tokens}x${width} through ${hidden}, ${activation}${workspaceBytes ? ', in blocks' : ''}`,
    inputs,
    build: (ops, { x, weight1, bias1, weight2, bias2, residual }) => {
      const layers = [
        { weight: weight1!, bias: bias1! },
        { weight: weight2!, bias: bias2! },
      ] as const;
      return ops.feedForward(x!, ...layers, { activation, residual, workspaceBytes });
    },
    reference: ({ x, weight1, bias1, weight2, bias2, residual }) => {
      const first = { m: tokens, n: hidden, k: width };
      const inner = gemmReference(x!.values, weight1!.values, first, { bias: bias1!.values, activation });
      const second = { m: tokens, n: width, k: hidden };
      return [gemmReference(inner, weight2!.values, second, { bias: bias2!.values, residual: residual?.values })];
    },
    ...benchOf(bench, {
      size: `${tokens}x${width}x${hidden}`,
      flops: 4 * tokens * width * hidden,
      bytes: 4 * (3 * tokens * width + 2 * width * hidden),
    }),
  };
}

/** One block, several with a rest, blocks of a single token. */
export const cases: OpCase<Ops>[] = [
  feedForwardCase({ tokens: 37, width: 24, hidden: 96, activation: 'gelu', residual: true }),
  feedForwardCase({ tokens: 101, width: 16, hidden: 64, activation: 'relu', residual: true, workspaceBytes: 9000 }),
  feedForwardCase({ tokens: 3, width: 8, hidden: 20, activation: 'relu', workspaceBytes: 1 }),
  feedForwardCase({ tokens: 22223, width: 256, hidden: 2048, activation: 'relu', residual: true, bench: true }),
];
