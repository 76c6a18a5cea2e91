import { fusedOps, getEngine, initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { normalisedError, type OpCase, randomTensor, toTensor } from '@samtrack/kernels/testing';
import { TINY_CONFIG } from '@samtrack/models/testing';
import { dispose, reshape, tidy } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  disposeFrameInputs,
  frameLogits,
  loadDeAot,
  makeFrameInputs,
  readLogits,
  traceFrame,
} from '../src/deaot/frame.js';
import { traceCase } from '../src/kernels.js';
import { feedsOf, traceNetwork } from '../src/networks/bench.js';
import { groundingDino } from '../src/networks/grounding-dino.js';
import { vitDet } from '../src/networks/sam.js';
import { samDecoder } from '../src/networks/sam-decoder.js';
import { hiera } from '../src/networks/sam2.js';
import { loadOnnxRuntime } from '../src/onnx/session.js';

const ort = await loadOnnxRuntime();

const cases: (Pick<OpCase, 'op' | 'inputs' | 'build'> & { weights: readonly string[] })[] = [
  {
    op: 'gemm with everything',
    inputs: {
      a: randomTensor([7, 12], 1),
      b: randomTensor([8, 4], 2),
      bias: randomTensor([4], 3),
      gate: randomTensor([7, 4], 4),
    },
    weights: ['b', 'bias'],
    build: (ops, { a, b, bias, gate }) =>
      ops.gemm(a!, b!, { bias: bias!, gate: gate!, activation: 'silu', alpha: 0.5, aColumns: [4, 8] }),
  },
  {
    op: 'convolutions and norms of an image',
    inputs: {
      x: randomTensor([9, 11, 8], 1),
      weight: randomTensor([3, 3, 8, 8], 2),
      depthwise: randomTensor([3, 3, 8, 1], 3),
      scale: randomTensor([8], 4),
      shift: randomTensor([8], 5),
    },
    weights: ['weight', 'depthwise', 'scale', 'shift'],
    build: (ops, { x, weight, depthwise, scale, shift }) => {
      const wide = ops.conv2d(x!, weight!, { stride: 2, padding: 1, bias: shift!, activation: 'relu6' });
      const mixed = ops.depthwiseConv(wide, depthwise!, { padding: 2, dilation: 2 });
      const normal = ops.groupNorm(mixed, scale!, shift!, 2, { activation: 'relu' });
      return ops.resizeBilinear(ops.maxPool(normal, 3, { stride: 2, padding: 1 }), [7, 9], { alignCorners: true });
    },
  },
  {
    op: 'attention',
    inputs: {
      x: randomTensor([20, 16], 1),
      scale: randomTensor([16], 2),
      relative: randomTensor([20, 12], 3),
      value: randomTensor([20, 8], 4),
    },
    weights: ['scale'],
    build: (ops, { x, scale, relative, value }) => {
      const z = ops.layerNorm(x!, scale!, scale!, { groups: 2, activation: 'silu' });
      const keys = ops.transpose(z, { columns: [0, 8], padded: true });
      const query = { query: z, queryColumns: [8, 8] as const, scale: 0.3, values: [{ tensor: value!, gate: value! }] };
      const global = ops.gatedAttention({ ...query, keys, validKeys: 20 });
      const local = ops.localGatedAttention({
        ...query,
        height: 4,
        width: 5,
        window: 3,
        key: z,
        keyColumns: [0, 8],
        relative: relative!,
      });
      return ops.concatColumns([{ x: global }, { x: local, columns: [4, 4] }]);
    },
  },
  {
    op: 'multi-head attention with relative positions and a mask',
    inputs: {
      qkv: randomTensor([12, 48], 1),
      mask: randomTensor([12, 12], 2),
      rows: randomTensor([5, 8], 3),
      columns: randomTensor([7, 8], 4),
    },
    weights: ['rows', 'columns'],
    build: (ops, { qkv, mask, rows, columns }) =>
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
    op: 'shifted windows of an image that they do not divide, and patch merging',
    inputs: { qkv: randomTensor([35, 96], 1), bias: randomTensor([96], 2), table: randomTensor([49, 2], 3) },
    weights: ['bias', 'table'],
    build: (ops, { qkv, bias, table }) => {
      const shape = { height: 5, width: 7, window: 4, shift: 2, heads: 2 };
      return ops.patchMerge(reshape(ops.windowAttention(qkv!, bias!, table!, shape), [5, 7, 32]));
    },
  },
  {
    op: 'windows with relative positions of an image that they do not divide',
    inputs: {
      qkv: randomTensor([35, 96], 1),
      bias: randomTensor([96], 2),
      rows: randomTensor([7, 16], 3),
      columns: randomTensor([7, 16], 4),
    },
    weights: ['bias', 'rows', 'columns'],
    build: (ops, { qkv, bias, rows, columns }) => {
      const shape = { height: 5, width: 7, window: 4, heads: 2 };
      return ops.relativeWindowAttention(qkv!, bias!, rows!, columns!, shape);
    },
  },
  {
    op: 'deformable attention about points and boxes',
    inputs: {
      value: randomTensor([26, 16], 1),
      projection: randomTensor([9, 48], 2, 2),
      points: randomTensor([9, 2], 3),
      boxes: randomTensor([9, 4], 4),
    },
    weights: [],
    build: (ops, { value, projection, points, boxes }) => {
      const levels = [
        { height: 4, width: 5 },
        { height: 2, width: 3 },
      ];
      const shape = { levels, heads: 2, points: 4 };
      const parts = [points!, boxes!].map((reference) =>
        ops.deformableAttention(value!, projection!, reference, shape),
      );
      return ops.concatColumns(parts.map((x) => ({ x })));
    },
  },
  {
    op: 'masks from features, whose norm has an activation',
    inputs: {
      features: randomTensor([24, 128], 1),
      scale: randomTensor([128], 2),
      vectors: randomTensor([1, 3, 32], 3),
    },
    weights: ['scale'],
    build: (ops, { features, scale, vectors }) => {
      const normal = ops.layerNorm(features!, scale!, scale!, { activation: 'gelu' });
      return reshape(ops.maskLogits(normal, vectors!, [2, 3]), [3 * 8, 12]);
    },
  },
  {
    op: 'fusion of image and text, boxes and feed-forward layers',
    inputs: {
      image: randomTensor([10, 8], 1),
      keys: randomTensor([8, 12], 2),
      keyBias: randomTensor([12], 3),
      values: randomTensor([12, 8], 4),
      bias: randomTensor([8], 5),
      boxes: randomTensor([10, 4], 6),
      wide: randomTensor([8, 16], 7),
      narrow: randomTensor([16, 8], 8),
      wideBias: randomTensor([16], 9),
    },
    weights: ['wide', 'narrow', 'bias', 'wideBias'],
    build: (ops, { image, keys, keyBias, values, bias, boxes, wide, narrow, wideBias }) => {
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
      return ops.concatColumns([{ x: layer }, { x: ops.boxSineEmbedding(refined, { channels: 8 }) }]);
    },
  },
];

describe.skipIf(!ort)('the ONNX tracer (skipped where onnxruntime-node is not installed)', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await initialize();
  });
  afterAll(() => shutdown(runtime));

  for (const kernelCase of cases) {
    it(`writes down ${kernelCase.op}`, async () => {
      const tensors = Object.fromEntries(Object.entries(kernelCase.inputs).map(([key, t]) => [key, toTensor(t)]));
      const out = [tidy(() => kernelCase.build(fusedOps, tensors))].flat()[0]!;
      const ours = new Float32Array(await runtime.read(out));
      out.dispose();
      const traced = await traceCase(kernelCase, kernelCase.weights, tensors);
      const session = await ort!.session(traced, 'cpu', traced.feeds);
      expect(normalisedError(traced.fromOnnx(await session.run()), ours)).toBeLessThan(1e-10);
      await session.release();
      dispose(tensors);
    });
  }

  it.each([
    ['deaot-s', { height: 49, width: 65 }],
    ['r50-deaot-l', { height: 33, width: 49 }],
    ['swinb-deaot-l', { height: 32, width: 48 }],
  ] as const)('writes down a frame of %s', async (name, network) => {
    const model = await loadDeAot(name, fusedOps);
    const inputs = makeFrameInputs(name, network);
    const logits = frameLogits(model, inputs);
    const ours = await readLogits(getEngine(), logits);
    const traced = await traceFrame(getEngine(), name, inputs);
    const session = await ort!.session(traced, 'cpu', traced.feeds);
    expect(normalisedError(traced.fromOnnx(await session.run()), ours)).toBeLessThan(1e-8);
    await session.release();
    logits.dispose();
    disposeFrameInputs(inputs);
    model.dispose();
  });

  it.each([
    vitDet('tiny', { embed: 64, depth: 2, heads: 2, window: 3, global: [1], grid: 4 }, 0),
    groundingDino(64, 96, 'tiny', TINY_CONFIG),
    samDecoder(),
    hiera(
      'small',
      {
        imageSize: 128,
        embed: 32,
        heads: 1,
        stages: [1, 2, 3, 2],
        global: [4],
        windows: [8, 4, 6, 3],
        memoryLayers: 2,
        memoryHidden: 512,
      },
      0,
    ),
  ])('writes down a whole network, $name', async (network) => {
    const inputs = await network.makeInputs();
    const loaded = await network.load(fusedOps);
    const out = await loaded.run(inputs);
    const ours = new Float32Array(await runtime.read(out));
    const traced = await traceNetwork(network, inputs);
    const session = await ort!.session(traced, 'cpu', await feedsOf(getEngine(), inputs));
    expect(normalisedError(traced.fromOnnx(await session.run()), ours)).toBeLessThan(1e-8);
    await session.release();
    out.dispose();
    loaded.dispose();
    dispose([inputs.image ?? [], ...Object.values(inputs.rows)]);
  });
});
