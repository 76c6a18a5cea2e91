import type { Signature } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor } from '../case.js';
import type { patchMerge } from './index.js';
import { patchMergeReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { patchMerge: Signature<typeof patchMerge> };

function patchMergeCase(height: number, width: number, channels: number, bench?: BenchRequest): OpCase<Ops> {
  const elements = height * width * channels;
  return {
    op: 'patch-merge',
    name: `${height}x${width}x${channels}`,
    inputs: { x: randomTensor([height, width, channels], 1) },
    build: (ops, { x }) => ops.patchMerge(x!),
    reference: ({ x }) => [patchMergeReference(x!.values, { height, width, channels })],
    // Nothing is computed, only moved.
    tolerance: 0,
    ...benchOf(bench, { size: `${height}x${width}x${channels}`, flops: elements, bytes: 8 * elements }),
  };
}

/** Even and odd sides, one pixel, more than one workgroup. */
export const cases: OpCase<Ops>[] = [
  patchMergeCase(1, 1, 4),
  patchMergeCase(8, 6, 12),
  patchMergeCase(7, 10, 8),
  patchMergeCase(12, 13, 20),
  patchMergeCase(120, 212, 128, true),
];
