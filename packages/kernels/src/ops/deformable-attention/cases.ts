import type { Portable } from '../../op/signature.js';
import { type BenchRequest, benchOf, type CaseTensor, lazyTensor, type OpCase, randomTensor } from '../case.js';
import type { DeformableAttentionShape, deformableAttention } from './index.js';
import { deformableAttentionReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { deformableAttention: Portable<typeof deformableAttention> };

interface DeformableCase extends DeformableAttentionShape {
  queries: number;
  headSize: number;
  /** Whether references are boxes. */
  boxes?: boolean;
  /** Largest offset, in pixels of the level or in boxes. */
  reach?: number;
  /** Normalised squared error allowed where positions, of up to 167 pixels, are only exact to 1e-5. */
  tolerance?: number;
  /** Queries are the pixels of all levels, as in an encoder. */
  grid?: boolean;
  stock?: boolean;
  bench?: BenchRequest;
}

/** Points or boxes whose centres also lie a little outside of the image. */
function references(queries: number, boxes: boolean): CaseTensor {
  const width = boxes ? 4 : 2;
  return randomTensor([queries, width], 3, 1, (value, i) => {
    const unit = value / 2 + 0.5;
    return i % width < 2 ? unit * 1.1 - 0.05 : unit * 0.5;
  });
}

/** Centres of the pixels of every level, as shares of the image. */
function gridCentres(levels: DeformableCase['levels']): CaseTensor {
  const pixels = levels.reduce((sum, { height, width }) => sum + height * width, 0);
  return lazyTensor([pixels, 2], () => {
    const centres = levels.flatMap(({ height, width }) =>
      Array.from({ length: height * width }, (_, i) => [
        ((i % width) + 0.5) / width,
        (Math.floor(i / width) + 0.5) / height,
      ]),
    );
    return Float32Array.from(centres.flat());
  });
}

function deformableCase({
  queries,
  headSize,
  boxes,
  reach = 4,
  tolerance,
  bench,
  grid,
  stock = bench !== undefined,
  ...shape
}: DeformableCase): OpCase<Ops> {
  const { levels, heads, points } = shape;
  const pixels = levels.reduce((sum, { height, width }) => sum + height * width, 0);
  const channels = heads * headSize;
  const samples = heads * levels.length * points;
  const isOffset = (i: number) => i % (3 * samples) < 2 * samples;
  const projection = randomTensor([queries, 3 * samples], 2, 1, (value, i) => value * (isOffset(i) ? reach : 3));
  const inputs = {
    value: randomTensor([pixels, channels], 1),
    projection,
    reference: grid ? gridCentres(levels) : references(queries, boxes ?? false),
  };
  const sizes = levels.map(({ height, width }) => `${height}x${width}`).join(' ');
  return {
    op: 'deformable-attention',
    name: `${queries} ${boxes ? 'boxes' : 'points'} on ${sizes}, ${heads} heads of ${headSize}, ${points} points`,
    inputs,
    ...(tolerance ? { tolerance } : {}),
    variants: () => ['channel', 'head'],
    kernelsOnly: !stock,
    build: (ops, { value, projection, reference }) => ops.deformableAttention(value!, projection!, reference!, shape),
    reference: ({ value, projection, reference }) => [
      deformableAttentionReference(value!.values, projection!.values, reference!.values, queries, shape),
    ],
    ...benchOf(bench, {
      size: boxes ? `${queries}-boxes` : `${queries}`,
      // Four corners of every sample for each channel.
      flops: queries * samples * 8 * headSize,
      bytes: 4 * (pixels * channels + queries * (channels + 3 * samples + (boxes ? 4 : 2))),
      weights: [],
    }),
  };
}

/** Of Grounding DINO's encoder. */
const ENCODER = { heads: 8, headSize: 32, points: 4, grid: true };

const maps = (...levels: [height: number, width: number][]) => levels.map(([height, width]) => ({ height, width }));

/** The pyramid of an image of 800 x 1333 at strides 8 to 64. */
const PYRAMID = maps([100, 167], [50, 84], [25, 42], [13, 21]);

/** One level and many, maps of one pixel, points far outside, more queries than a workgroup, more than one step of points. */
export const cases: OpCase<Ops>[] = [
  deformableCase({ queries: 3, levels: maps([1, 1]), heads: 1, headSize: 4, points: 4, reach: 0.5 }),
  deformableCase({ queries: 5, levels: maps([3, 7]), heads: 2, headSize: 8, points: 8, reach: 6 }),
  deformableCase({
    queries: 19,
    levels: maps([6, 5], [1, 3], [2, 1]),
    heads: 3,
    headSize: 20,
    points: 4,
    stock: true,
  }),
  deformableCase({
    queries: 37,
    levels: maps([16, 20], [8, 10], [4, 5], [2, 3]),
    heads: 8,
    headSize: 32,
    points: 4,
    boxes: true,
    reach: 8,
    stock: true,
  }),
  deformableCase({
    queries: 9,
    levels: PYRAMID.concat(maps([7, 11])),
    heads: 2,
    headSize: 16,
    points: 4,
    tolerance: 2e-11,
  }),
  deformableCase({ queries: 7, levels: maps([4, 4]), heads: 2, headSize: 8, points: 4, reach: 1e9 }),
  deformableCase({
    queries: 1424,
    levels: maps([25, 42], [13, 21], [7, 11], [4, 6]),
    ...ENCODER,
    bench: { run: 'quick' },
  }),
  deformableCase({ queries: 22223, levels: PYRAMID, ...ENCODER, bench: true }),
  deformableCase({ queries: 900, levels: PYRAMID, heads: 8, headSize: 32, points: 4, boxes: true, bench: true }),
];
