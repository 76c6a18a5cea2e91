import type { Signature } from '../../op/signature.js';
import { type OpCase, randomTensor } from '../case.js';
import { type BoxSineEmbeddingOptions, type boxSineEmbedding, sineFrequency } from './index.js';

/** What the cases need of a set. */
type Ops = { boxSineEmbedding: Signature<typeof boxSineEmbedding> };

function sineCase(queries: number, options: BoxSineEmbeddingOptions = {}, reach = 1): OpCase<Ops> {
  const { channels = 128, temperature = 10_000 } = options;
  const boxes = randomTensor([queries, 4], 1, 1, (value) => reach * (value / 2 + 0.5));
  return {
    op: 'sine-embedding',
    name: `${queries} boxes up to ${reach}, ${channels} channels each`,
    inputs: { boxes },
    build: (ops, { boxes }) => ops.boxSineEmbedding(boxes!, options),
    reference: ({ boxes }) => [
      Float64Array.from({ length: queries * 4 * channels }, (_, i) => {
        const coordinate = [1, 0, 2, 3][Math.floor(i / channels) % 4]!;
        const value = boxes!.values[Math.floor(i / (4 * channels)) * 4 + coordinate]!;
        const angle = value * sineFrequency(Math.floor((i % channels) / 2), channels, temperature);
        return i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
      }),
    ],
    // A product of some hundreds is only exact to 1e-5.
    ...(reach > 1 ? { tolerance: 1e-10 } : {}),
  };
}

/** A workgroup and more of them; coordinates of 0..1 and, to wind round often, far beyond. */
export const cases: OpCase<Ops>[] = [
  sineCase(1, { channels: 4 }),
  sineCase(33, { channels: 12, temperature: 20 }),
  sineCase(101),
  sineCase(20, {}, 50),
];
