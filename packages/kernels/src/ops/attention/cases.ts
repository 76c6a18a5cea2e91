import type { Tensor } from '@tensorflow/tfjs-core';
import { supportedMatmul } from '../../families/matmul/index.js';
import type { Portable } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor, sideBySide } from '../case.js';
import { smallTiles } from '../gemm/cases.js';
import type { GatedAttentionInput, gatedAttention } from './index.js';
import { gatedAttentionReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { gatedAttention: Portable<typeof gatedAttention> };

interface AttentionCase {
  tokens: number;
  validKeys: number;
  capacity: number;
  depth: number;
  channels: number;
  /** Forces blocks of query rows. */
  workspaceBytes?: number;
  bench?: BenchRequest;
}

function attentionCase({
  tokens,
  validKeys,
  capacity,
  depth,
  channels,
  workspaceBytes,
  bench,
}: AttentionCase): OpCase<Ops> {
  const scale = 1 / Math.sqrt(depth);
  const operands = ({ query, keys, v1, v2, gate }: Record<string, Tensor>): GatedAttentionInput => ({
    query: query!,
    keys: keys!,
    validKeys,
    scale,
    values: [{ tensor: v1!, gate: gate! }, { tensor: v2! }],
  });
  return {
    op: 'attention',
    name: `${tokens} queries, ${validKeys} of ${capacity} keys, depth ${depth}, 2 x ${channels} channels`,
    inputs: {
      query: randomTensor([tokens, depth], 1),
      keys: randomTensor([depth, capacity], 2),
      v1: randomTensor([capacity, channels], 3),
      v2: randomTensor([capacity, channels], 4),
      gate: randomTensor([tokens, channels], 5),
    },
    variants: (adapter) => smallTiles(supportedMatmul({ m: tokens, n: channels, k: depth, aligned: true }, adapter)),
    chooses: 'gemm',
    build: (ops, inputs) => ops.gatedAttention(operands(inputs), { workspaceBytes }),
    reference: ({ query, keys, v1, v2, gate }) => {
      const shape = { tokens, depth, capacity, validKeys, channels, scale };
      const left = gatedAttentionReference(query!.values, keys!.values, v1!.values, gate!.values, shape);
      const right = gatedAttentionReference(query!.values, keys!.values, v2!.values, undefined, shape);
      return [sideBySide(left, right, tokens)];
    },
    ...benchOf(bench, {
      size: `${tokens}x${validKeys}`,
      flops: 2 * tokens * validKeys * (depth + 2 * channels),
      bytes: 4 * (tokens * (depth + 3 * channels) + capacity * (depth + 2 * channels)),
      weights: [],
    }),
  };
}

/** Channels of DeAOT's gated propagation. */
const PROPAGATION = { depth: 128, channels: 512 };

export const cases: OpCase<Ops>[] = [
  attentionCase({ tokens: 1, validKeys: 1, capacity: 4, depth: 4, channels: 4 }),
  attentionCase({ tokens: 17, validKeys: 35, capacity: 48, depth: 16, channels: 8 }),
  attentionCase({ tokens: 40, validKeys: 121, capacity: 124, depth: 128, channels: 36 }),
  // 33 queries in blocks of 13, 13 and 7.
  attentionCase({ tokens: 33, validKeys: 63, capacity: 100, depth: 8, channels: 4, workspaceBytes: 13 * 64 * 4 }),
  // A memory of one frame, and of four; what a browser's software adapter can do.
  attentionCase({ ...PROPAGATION, tokens: 1674, validKeys: 1674, capacity: 1676, bench: { run: 'quick' } }),
  attentionCase({ ...PROPAGATION, tokens: 1674, validKeys: 6696, capacity: 6696, bench: true }),
  attentionCase({ ...PROPAGATION, tokens: 256, validKeys: 256, capacity: 256, bench: { run: 'small' } }),
];
