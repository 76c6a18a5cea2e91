import {
  copyBlock,
  type Engine,
  filterPixels,
  labelArgmax,
  labelDecode,
  labelPropagation,
  labelUncertainty,
  makeIdBank,
  makeMaskPlan,
  makeResizePlan,
  maskBits,
  maskStatistics,
  maskValues,
  preprocess,
  transpose,
} from '@samtrack/kernels';
import { type CaseTensor, randomTensor, randomValues } from '@samtrack/kernels/testing';
import {
  add,
  concat,
  div,
  gather,
  maximum,
  mul,
  norm,
  pad,
  reshape,
  sigmoid,
  slice,
  type Tensor,
} from '@tensorflow/tfjs-core';

type Tensors = Readonly<Record<string, Tensor>>;

/** Something that engines compute, and what of: data that changes from run to run, and weights. */
export interface Operation {
  name: string;
  data: Record<string, CaseTensor>;
  weights?: Record<string, CaseTensor>;
  run(engine: Engine, tensors: Tensors): Tensor | Tensor[];
  /** Of the compared results, normalised squared; 1e-10 by default. */
  tolerance?: number;
}

const integers = (shape: number[], below: number, seed = 1): CaseTensor => {
  const values = randomValues(
    shape.reduce((a, b) => a * b, 1),
    seed,
  );
  return { shape, values: Int32Array.from(values, (v) => Math.floor(((v + 1) / 2) * below)) };
};

/** Noise. */
const pixels = (...shape: number[]): CaseTensor => {
  const { values } = randomTensor(shape, 3);
  return { shape, values: Int32Array.from(values, (v) => Math.floor(v * 2 ** 31)) };
};

/** Resampling taps of `filterPixels`: an average over `count` samples. */
const taps = (inputs: number, outputs: number, count: number): CaseTensor => ({
  shape: [outputs, 2 + count],
  values: Int32Array.from({ length: outputs * (2 + count) }, (_, i) => {
    const [output, k] = [Math.floor(i / (2 + count)), i % (2 + count)];
    if (k === 0) return Math.floor((output * (inputs - count)) / Math.max(1, outputs - 1));
    return k === 1 ? count : Math.floor(2 ** 22 / count);
  }),
});

const logits = (groups: number): CaseTensor => randomTensor([groups, 7, 9, 12], groups, 4);

export const OPERATIONS: readonly Operation[] = [
  {
    name: 'gemm with everything',
    data: { a: randomTensor([7, 12], 1), gate: randomTensor([7, 4], 4), residual: randomTensor([7, 4], 5) },
    weights: { b: randomTensor([8, 4], 2), bias: randomTensor([4], 3) },
    run: ({ ops }, { a, b, bias, gate, residual }) =>
      ops.gemm(a!, b!, { bias, gate, residual, activation: 'silu', alpha: 0.5, aColumns: [4, 8] }),
  },
  {
    name: 'batches of matrix products',
    data: { a: randomTensor([3, 5, 8], 1), b: randomTensor([3, 8, 4], 2) },
    run: ({ ops }, { a, b }) => ops.gemm(a!, b!, { activation: 'relu' }),
  },
  {
    name: 'convolutions, norms, pooling and resizing',
    data: { x: randomTensor([9, 11, 8], 1) },
    weights: {
      weight: randomTensor([3, 3, 8, 8], 2),
      depthwise: randomTensor([3, 3, 8, 1], 3),
      scale: randomTensor([8], 4),
      shift: randomTensor([8], 5),
    },
    run: ({ ops }, { x, weight, depthwise, scale, shift }) => {
      const wide = ops.conv2d(x!, weight!, { stride: 2, padding: 1, bias: shift!, activation: 'relu6' });
      const mixed = ops.depthwiseConv(wide, depthwise!, { padding: 2, dilation: 2 });
      const normal = ops.groupNorm(mixed, scale!, shift!, 2, { activation: 'relu' });
      return ops.resizeBilinear(ops.maxPool(normal, 3, { stride: 2, padding: 1 }), [7, 9], { alignCorners: true });
    },
  },
  {
    name: 'gated attention, global and local',
    data: { x: randomTensor([20, 16], 1), relative: randomTensor([20, 12], 3), value: randomTensor([20, 8], 4) },
    weights: { scale: randomTensor([16], 2) },
    run: ({ ops }, { x, scale, relative, value }) => {
      const z = ops.layerNorm(x!, scale!, scale!, { groups: 2, activation: 'silu' });
      const keys = ops.transpose(z, { columns: [0, 8], padded: true });
      const query = { query: z, queryColumns: [8, 8] as const, scale: 0.3, values: [{ tensor: value!, gate: value! }] };
      const global = ops.gatedAttention({ ...query, keys, validKeys: 20 });
      const window = { height: 4, width: 5, window: 3, key: z, keyColumns: [0, 8] as const, relative: relative! };
      const local = ops.localGatedAttention({ ...query, ...window });
      return ops.concatColumns([{ x: global }, { x: local, columns: [4, 4] }]);
    },
  },
  {
    name: 'gated attention to a part of a memory',
    data: { query: randomTensor([6, 8], 1), keys: randomTensor([8, 24], 2), values: randomTensor([24, 12], 3) },
    run: ({ ops }, { query, keys, values }) =>
      ops.gatedAttention({
        query: query!,
        keys: keys!,
        validKeys: 13,
        scale: 0.3,
        values: [{ tensor: values! }, { tensor: values! }],
      }),
  },
  {
    name: 'multi-head attention with relative positions and a mask',
    data: { qkv: randomTensor([12, 48], 1), mask: randomTensor([12, 12], 2) },
    weights: { rows: randomTensor([5, 8], 3), columns: randomTensor([7, 8], 4) },
    run: ({ ops }, { qkv, mask, rows, columns }) =>
      ops.multiHeadAttention(qkv!, qkv!, qkv!, {
        heads: 2,
        channels: 16,
        keyColumn: 16,
        valueColumn: 32,
        mask: mask!,
        relative: { height: 3, width: 4, rows: rows!, columns: columns! },
      }),
  },
  {
    name: 'batches of multi-head attention, queries in common',
    data: { query: randomTensor([1, 5, 16], 1), key: randomTensor([3, 7, 16], 2), value: randomTensor([3, 7, 16], 3) },
    run: ({ ops }, { query, key, value }) => ops.multiHeadAttention(query!, key!, value!, { heads: 2 }),
  },
  {
    name: 'shifted windows of an image that they do not divide, and patch merging',
    data: { qkv: randomTensor([35, 96], 1) },
    weights: { bias: randomTensor([96], 2), table: randomTensor([49, 2], 3) },
    run: ({ ops }, { qkv, bias, table }) => {
      const shape = { height: 5, width: 7, window: 4, shift: 2, heads: 2 };
      return ops.patchMerge(reshape(ops.windowAttention(qkv!, bias!, table!, shape), [5, 7, 32]));
    },
  },
  {
    name: 'windows with relative positions of an image that they do not divide',
    data: { qkv: randomTensor([35, 96], 1) },
    weights: { bias: randomTensor([96], 2), rows: randomTensor([7, 16], 3), columns: randomTensor([7, 16], 4) },
    run: ({ ops }, { qkv, bias, rows, columns }) => {
      const shape = { height: 5, width: 7, window: 4, heads: 2 };
      return ops.relativeWindowAttention(qkv!, bias!, rows!, columns!, shape);
    },
  },
  {
    name: 'deformable attention about points and boxes',
    data: {
      value: randomTensor([26, 16], 1),
      projection: randomTensor([9, 48], 2, 2),
      points: randomTensor([9, 2], 3),
      boxes: randomTensor([9, 4], 4),
    },
    run: ({ ops }, { value, projection, points, boxes }) => {
      const levels = [
        { height: 4, width: 5 },
        { height: 2, width: 3 },
      ];
      const shape = { levels, heads: 2, points: 4 };
      return [points!, boxes!].map((reference) => ops.deformableAttention(value!, projection!, reference, shape));
    },
  },
  {
    name: 'masks from features, whose norm has an activation',
    data: { features: randomTensor([24, 128], 1), vectors: randomTensor([1, 3, 32], 3) },
    weights: { scale: randomTensor([128], 2) },
    run: ({ ops }, { features, scale, vectors }) =>
      ops.maskLogits(ops.layerNorm(features!, scale!, scale!, { activation: 'gelu' }), vectors!, [2, 3]),
  },
  {
    name: 'fusion of image and text, boxes and feed-forward layers',
    data: {
      image: randomTensor([10, 8], 1),
      keys: randomTensor([8, 12], 2),
      keyBias: randomTensor([12], 3),
      values: randomTensor([12, 8], 4),
      boxes: randomTensor([10, 4], 6),
    },
    weights: {
      bias: randomTensor([8], 5),
      wide: randomTensor([8, 16], 7),
      narrow: randomTensor([16, 8], 8),
      wideBias: randomTensor([16], 9),
    },
    run: ({ ops }, { image, keys, keyBias, values, bias, boxes, wide, narrow, wideBias }) => {
      const fused = ops.biAttention({
        image: image!,
        keys: keys!,
        keyBias: keyBias!,
        values: values!,
        residual: image!,
      });
      const first = { weight: wide!, bias: wideBias! };
      const layer = ops.feedForward(fused.image, first, { weight: narrow!, bias: bias! }, { activation: 'relu' });
      const refined = ops.refineBoxes(boxes!, boxes!);
      return [layer, fused.text, ops.boxSineEmbedding(refined, { channels: 8 })];
    },
  },
  {
    name: 'tfjs operations between ours',
    data: { x: randomTensor([6, 4], 1), y: randomTensor([6, 4], 2), index: integers([5], 6) },
    run: (_, { x, y, index }) => {
      const sum = mul(add(x!, y!), sigmoid(x!));
      const wide = concat([sum, gather(sum, index!)], 0);
      return slice(
        pad(wide, [
          [1, 0],
          [0, 2],
        ]),
        [1, 1],
        [7, 4],
      );
    },
  },
  {
    name: 'unit vectors, as label propagation has them',
    data: { x: randomTensor([6, 4], 1) },
    run: (_, { x }) => div(x!, maximum(norm(x!, 'euclidean', 1, true), 1e-6)),
  },
  {
    name: 'identity embedding of the second group, labels of another size',
    data: { labels: integers([13, 18], 21) },
    weights: { kernel: randomTensor([5, 5, 11, 32], 1), bias: randomTensor([32], 2) },
    run: ({ ops }, { labels }) => {
      const bank = makeIdBank(randomValues(5 * 5 * 11 * 32, 1), randomValues(32, 2), 5, 11);
      return ops.idEmbedding(labels!, bank, { height: 17, width: 25, stride: 4, padding: 2, firstId: 11 });
    },
  },
  ...(['bicubic', 'area', 'copy'] as const).map(
    (method): Operation => ({
      name: `preprocess, ${method}`,
      // An odd number of pixels: no mean is half-way between two grey levels, where it might round either way.
      data: { words: pixels(25, 31) },
      run: ({ ops }, { words }) => {
        const [height, width] = { bicubic: [17, 33], area: [11, 13], copy: [25, 31] }[method] as [number, number];
        const plan = makeResizePlan(25, 31, height, width, method === 'copy' ? 'bicubic' : method);
        const image = preprocess(words!, plan);
        // Through a convolution of the fourth channel, too, as networks have it.
        const weight = reshape(mul(image, 1), [height * width, 4]);
        return [weight, ops.maxPool(image, 1)];
      },
    }),
  ),
  {
    name: 'filtered pixels in a frame',
    data: { words: pixels(90), columns: taps(10, 7, 3), rows: taps(12, 5, 4), table: randomTensor([3, 256], 1) },
    run: (_, { words, columns, rows, table }) =>
      filterPixels(words!, {
        input: { height: 12, width: 10, channels: 3 },
        columns: columns!,
        rows: rows!,
        table: table!,
        channels: 4,
        frame: { height: 6, width: 9 },
      }),
  },
  ...[
    { groups: 1, objects: 3 },
    { groups: 2, objects: 14 },
  ].map(
    ({ groups, objects }): Operation => ({
      name: `labels and uncertainty of ${objects} objects`,
      data: { maps: logits(groups) },
      run: (_, { maps }) => [
        labelDecode(maps!, { objects, height: 25, width: 33, alignCorners: groups === 1 }),
        labelUncertainty(maps!, { objects }),
      ],
    }),
  ),
  {
    name: 'label propagation and the largest share',
    data: {
      query: randomTensor([63, 8], 1),
      key0: randomTensor([63, 8], 2),
      key1: randomTensor([63, 8], 3),
      labels0: randomTensor([63, 4], 4),
      labels1: randomTensor([63, 4], 5),
    },
    run: (_, { query, key0, key1, labels0, labels1 }) => {
      const shares = labelPropagation({
        height: 7,
        width: 9,
        query: query!,
        frames: [
          { key: key0!, labels: labels0!, radius: 3 },
          { key: key1!, labels: labels1!, radius: 2 },
        ],
        temperature: 0.5,
        topK: 10,
      });
      const options = { classes: 3, height: 21, width: 30, alignCorners: true };
      return [shares, labelArgmax(reshape(shares, [7, 9, 4]), options)];
    },
  },
  {
    name: 'masks at the size of the image',
    data: { maps: randomTensor([1, 3, 16, 16], 1, 3), selected: { shape: [2], values: Int32Array.of(2, 0) } },
    run: (_, { maps, selected }) => {
      const sizes = { input: { height: 48, width: 64 }, output: { height: 75, width: 100 } };
      const plan = makeMaskPlan({ side: 16, frame: 64, ...sizes });
      return [
        maskStatistics(maps!, plan, { threshold: 0.1 }),
        maskBits(maps!, plan, { selected: selected! }),
        maskValues(maps!, plan, { selected: selected! }),
      ];
    },
  },
  {
    name: 'blocks and transposed rows in place',
    data: { x: randomTensor([5, 8], 1), target: randomTensor([9, 12], 2), wide: randomTensor([8, 20], 3) },
    run: (_, { x, target, wide }) => [
      copyBlock(x!, target!, { row: 3, column: 4 }, { row: 1, column: 2, rows: 3, columns: 5 }).clone(),
      transpose(x!, { into: { tensor: wide!, column: 6 } }).clone(),
    ],
  },
];
