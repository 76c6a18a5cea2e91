import type { Tensor } from '@tensorflow/tfjs-core';
import type { Portable } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor, sideBySide } from '../case.js';
import { type LocalGatedAttentionInput, localGatedAttention } from './index.js';
import { localGatedAttentionReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { localGatedAttention: Portable<typeof localGatedAttention> };

interface LocalCase {
  height: number;
  width: number;
  window: number;
  depth: number;
  channels: number;
  bench?: BenchRequest;
}

function localCase({ height, width, window, depth, channels, bench }: LocalCase): OpCase<Ops> {
  const tokens = height * width;
  const scale = 1 / Math.sqrt(depth);
  const relativeStride = Math.ceil((window * window) / 4) * 4;
  const operands = ({ query, key, relative, v1, v2, gate }: Record<string, Tensor>): LocalGatedAttentionInput => ({
    height,
    width,
    window,
    scale,
    query: query!,
    key: key!,
    relative: relative!,
    values: [{ tensor: v1!, gate: gate! }, { tensor: v2! }],
  });
  return {
    op: 'local-attention',
    name: `${height}x${width}, window ${window}, depth ${depth}, 2 x ${channels} channels`,
    inputs: {
      query: randomTensor([tokens, depth], 1, 3),
      key: randomTensor([tokens, depth], 2, 3),
      relative: randomTensor([tokens, relativeStride], 3),
      v1: randomTensor([tokens, channels], 4),
      v2: randomTensor([tokens, channels], 5),
      gate: randomTensor([tokens, channels], 6),
    },
    variants: (adapter) => localGatedAttention.supported({ height, width, window, depth, channels }, adapter),
    build: (ops, inputs) => ops.localGatedAttention(operands(inputs)),
    reference: ({ query, key, relative, v1, v2, gate }) => {
      const shape = { height, width, window, depth, channels, relativeStride, scale };
      const left = localGatedAttentionReference(
        query!.values,
        key!.values,
        relative!.values,
        v1!.values,
        gate!.values,
        shape,
      );
      const right = localGatedAttentionReference(
        query!.values,
        key!.values,
        relative!.values,
        v2!.values,
        undefined,
        shape,
      );
      return [sideBySide(left, right, tokens)];
    },
    ...benchOf(bench, {
      size: `${height}x${width}`,
      // What the window needs; a dense map computes more.
      flops: 2 * tokens * window * window * (depth + 2 * channels),
      bytes: 4 * tokens * (2 * depth + relativeStride + 5 * channels),
      weights: [],
    }),
  };
}

/** Maps smaller and larger than the window, one position, widths around the block of 8 queries. */
export const cases: OpCase<Ops>[] = [
  localCase({ height: 1, width: 1, window: 15, depth: 8, channels: 4 }),
  localCase({ height: 5, width: 7, window: 15, depth: 8, channels: 12 }),
  localCase({ height: 19, width: 17, window: 15, depth: 16, channels: 36 }),
  localCase({ height: 6, width: 16, window: 5, depth: 12, channels: 8 }),
  localCase({ height: 31, width: 54, window: 15, depth: 128, channels: 512, bench: { run: 'quick' } }),
];
