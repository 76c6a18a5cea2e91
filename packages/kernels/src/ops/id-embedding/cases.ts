import type { Tensor } from '@tensorflow/tfjs-core';
import type { Signature } from '../../op/signature.js';
import { type BenchRequest, benchOf, lazyTensor, type OpCase, randomTensor, randomValues } from '../case.js';
import { type IdEmbeddingGeometry, type idEmbedding, makeIdBank } from './index.js';
import { idEmbeddingReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { idEmbedding: Signature<typeof idEmbedding> };

interface IdCase extends Required<IdEmbeddingGeometry> {
  labelHeight: number;
  labelWidth: number;
  kernelSize: number;
  channels: number;
  bench?: BenchRequest;
}

/** Blocks of labels with a few single pixels, as masks are. */
function labelMap(height: number, width: number, ids: number): Int32Array {
  const noise = randomValues(height * width, 9);
  return Int32Array.from({ length: height * width }, (_, i) => {
    if (noise[i]! > 0.9) return Math.floor((noise[i]! - 0.9) * 10 * ids);
    return (Math.floor(Math.floor(i / width) / 5) + Math.floor((i % width) / 7)) % ids;
  });
}

function idCase(c: IdCase): OpCase<Ops> {
  const classes = 11;
  const kernel = randomTensor([c.kernelSize, c.kernelSize, classes, c.channels], 1);
  const bias = randomTensor([c.channels], 2);
  const withBank = (run: (bank: ReturnType<typeof makeIdBank>) => Tensor) => {
    const made = makeIdBank(kernel.values as Float32Array, bias.values as Float32Array, c.kernelSize, classes);
    const out = run(made);
    for (const t of [made.kernel, made.sums, made.bias]) t.dispose();
    return out;
  };
  const outHeight = Math.floor((c.height + 2 * c.padding - c.kernelSize) / c.stride) + 1;
  const outWidth = Math.floor((c.width + 2 * c.padding - c.kernelSize) / c.stride) + 1;
  return {
    op: 'id-embedding',
    name: `labels ${c.labelHeight}x${c.labelWidth} at ${c.height}x${c.width}, kernel ${c.kernelSize}, ids from ${c.firstId}`,
    inputs: {
      labels: lazyTensor([c.labelHeight, c.labelWidth], () => labelMap(c.labelHeight, c.labelWidth, 25)),
    },
    build: (ops, { labels }) => withBank((made) => ops.idEmbedding(labels!, made, c)),
    reference: ({ labels }) => [idEmbeddingReference(labels!.values, kernel.values, bias.values, { ...c, classes })],
    ...benchOf(c.bench, {
      size: `${c.height}x${c.width}`,
      flops: 2 * outHeight * outWidth * c.kernelSize ** 2 * classes * c.channels,
    }),
  };
}

const small = { stride: 16, padding: 8, kernelSize: 17, channels: 32, firstId: 1 };

export const cases: OpCase<Ops>[] = [
  idCase({ ...small, labelHeight: 1, labelWidth: 1, height: 1, width: 1 }),
  idCase({ ...small, labelHeight: 33, labelWidth: 49, height: 33, width: 49 }),
  idCase({ ...small, labelHeight: 40, labelWidth: 61, height: 33, width: 65, firstId: 11 }),
  idCase({
    ...small,
    labelHeight: 32,
    labelWidth: 48,
    height: 32,
    width: 48,
    kernelSize: 16,
    padding: 0,
    channels: 64,
  }),
  idCase({ ...small, labelHeight: 480, labelWidth: 854, height: 481, width: 849, channels: 256, bench: true }),
];
