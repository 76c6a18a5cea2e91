import type { Portable } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor } from '../case.js';
import { type BiAttentionInput, biAttention } from './index.js';
import { biAttentionReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { biAttention: Portable<typeof biAttention> };

interface BiAttentionCase {
  name?: string;
  tokens: number;
  /** Text tokens. */
  text: number;
  channels?: number;
  width?: number;
  /** Multiplies the keys: how sharp the attention is. */
  scale?: number;
  /** Text tokens at the end that nothing may look at. */
  masked?: number;
  plain?: boolean;
  workspaceBytes?: number;
  bench?: BenchRequest;
}

function biAttentionCase(c: BiAttentionCase): OpCase<Ops> {
  const { tokens, text, channels = 32, width = 32, scale = 1, masked = 0, plain, workspaceBytes, bench } = c;
  const columns = 4 * text;
  const keyBias = randomTensor([columns], 3, 1, (value, i) => (i < columns - 4 * masked ? value : -1e30));
  const inputs: OpCase<Ops>['inputs'] = {
    image: randomTensor([tokens, channels], 1),
    keys: randomTensor([channels, columns], 2, scale),
    keyBias,
    values: randomTensor([columns, width], 4),
  };
  if (!plain) {
    inputs.bias = randomTensor([width], 5);
    inputs.residual = randomTensor([tokens, width], 6);
  }
  return {
    op: 'bi-attention',
    name: [`${tokens} image and ${text} text tokens`, masked && `${masked} of them masked`, c.name]
      .filter(Boolean)
      .join(', '),
    inputs,
    variants: (adapter) => biAttention.supported({ tokens, columns, channels, width }, adapter),
    build: (ops, tensors) => Object.values(ops.biAttention(tensors as unknown as BiAttentionInput, { workspaceBytes })),
    reference: (tensors) => {
      const values = Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [key, tensor.values]));
      return biAttentionReference(values as never, { tokens, channels, width });
    },
    // Scores of up to 100 are exact to 4e-6, and so are the weights that are their exponentials.
    ...(scale > 1 ? { tolerance: 1e-11 } : {}),
    ...benchOf(bench, {
      size: `${tokens}x${text}`,
      flops: 2 * tokens * columns * (2 * channels + width),
      bytes: 4 * tokens * (2 * channels + 2 * width),
    }),
  };
}

/** Fewer tokens than a chunk, several chunks with a rest, several blocks; one text token; masks; sharp and flat weights. */
export const cases: OpCase<Ops>[] = [
  biAttentionCase({ tokens: 1, text: 1, channels: 4, width: 4, plain: true }),
  biAttentionCase({ tokens: 63, text: 3, width: 12 }),
  biAttentionCase({ tokens: 273, text: 6, channels: 36, masked: 2 }),
  biAttentionCase({ name: 'sharp', tokens: 200, text: 5, channels: 64, scale: 12 }),
  biAttentionCase({ tokens: 813, text: 2, channels: 8, width: 4 }),
  biAttentionCase({ name: 'in blocks', tokens: 1131, text: 7, workspaceBytes: 4 * 28 * 512 }),
  biAttentionCase({ tokens: 426, text: 67, channels: 16, width: 8 }),
  biAttentionCase({ tokens: 22223, text: 6, channels: 256, width: 256, bench: true }),
  biAttentionCase({ tokens: 22223, text: 256, channels: 256, width: 256, bench: true }),
];
