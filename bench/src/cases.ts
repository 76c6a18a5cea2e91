import type { OpSet } from '@samtrack/kernels';
import { type CaseTensor, randomTensor } from '@samtrack/kernels/testing';
import type { Tensor } from '@tensorflow/tfjs-core';

/** An operation at a size that models use, written for any set of operations: kernels, stock tfjs or the ONNX tracer. */
export interface KernelCase {
  /** Operation, as the folder of the kernel is called. */
  readonly op: string;
  readonly size: string;
  readonly inputs: Readonly<Record<string, CaseTensor>>;
  /** Inputs that are weights: constants of the ONNX graph. */
  readonly weights: readonly string[];
  readonly build: (ops: OpSet, inputs: Record<string, Tensor>) => Tensor;
  readonly flops: number;
  /** Bytes that must be read and written at least. */
  readonly bytes: number;
  /** Part of a quick run. */
  readonly quick?: boolean;
}

const elements = (inputs: Readonly<Record<string, CaseTensor>>) =>
  Object.values(inputs).reduce((sum, { values }) => sum + values.length, 0);

function gemmCase(m: number, k: number, n: number): KernelCase {
  const inputs = { a: randomTensor([m, k], 1), b: randomTensor([k, n], 2) };
  return {
    op: 'gemm',
    size: `${m}x${k}x${n}`,
    inputs,
    weights: ['b'],
    build: (ops, { a, b }) => ops.gemm(a!, b!),
    flops: 2 * m * n * k,
    bytes: 4 * (elements(inputs) + m * n),
    quick: m * k * n < 1e9,
  };
}

function convCase(height: number, width: number, channels: number, n: number, quick = false): KernelCase {
  const inputs = { x: randomTensor([height, width, channels], 1), weight: randomTensor([3, 3, channels, n], 2, 0.05) };
  return {
    op: 'conv2d',
    size: `3x3-${height}x${width}x${channels}-${n}`,
    inputs,
    weights: ['weight'],
    build: (ops, { x, weight }) => ops.conv2d(x!, weight!, { padding: 1 }),
    flops: 2 * height * width * 9 * channels * n,
    bytes: 4 * (elements(inputs) + height * width * n),
    quick,
  };
}

function depthwiseCase(height: number, width: number, channels: number, kernel: number, quick = false): KernelCase {
  const inputs = {
    x: randomTensor([height, width, channels], 1),
    weight: randomTensor([kernel, kernel, channels, 1], 2),
  };
  return {
    op: 'depthwise-conv',
    size: `${kernel}x${kernel}-${height}x${width}x${channels}`,
    inputs,
    weights: ['weight'],
    build: (ops, { x, weight }) => ops.depthwiseConv(x!, weight!, { padding: (kernel - 1) / 2 }),
    flops: 2 * height * width * kernel * kernel * channels,
    bytes: 4 * (elements(inputs) + height * width * channels),
    quick,
  };
}

const DEPTH = 128;
const VALUE = 512;

/** Gated propagation over a memory of as many frames: two streams of values, one gated. */
function attentionCase(tokens: number, frames: number, quick = false): KernelCase {
  const keys = tokens * frames;
  const capacity = Math.ceil(keys / 4) * 4;
  const inputs = {
    query: randomTensor([tokens, DEPTH], 1),
    keys: randomTensor([DEPTH, capacity], 2),
    v1: randomTensor([capacity, VALUE], 3),
    v2: randomTensor([capacity, VALUE], 4),
    gate: randomTensor([tokens, VALUE], 5),
  };
  return {
    op: 'attention',
    size: `${tokens}x${keys}`,
    inputs,
    weights: [],
    build: (ops, { query, keys: k, v1, v2, gate }) =>
      ops.gatedAttention({
        query: query!,
        keys: k!,
        validKeys: keys,
        scale: 1 / Math.sqrt(DEPTH),
        values: [{ tensor: v1!, gate: gate! }, { tensor: v2! }],
      }),
    flops: 2 * tokens * keys * (DEPTH + 2 * VALUE),
    bytes: 4 * (elements(inputs) + 2 * tokens * VALUE),
    quick,
  };
}

function localAttentionCase(height: number, width: number, quick = false): KernelCase {
  const window = 15;
  const tokens = height * width;
  const inputs = {
    query: randomTensor([tokens, DEPTH], 1),
    key: randomTensor([tokens, DEPTH], 2),
    relative: randomTensor([tokens, 228], 3),
    v1: randomTensor([tokens, VALUE], 4),
    v2: randomTensor([tokens, VALUE], 5),
    gate: randomTensor([tokens, VALUE], 6),
  };
  return {
    op: 'local-attention',
    size: `${height}x${width}`,
    inputs,
    weights: [],
    build: (ops, { query, key, relative, v1, v2, gate }) =>
      ops.localGatedAttention({
        height,
        width,
        window,
        query: query!,
        key: key!,
        relative: relative!,
        scale: 1 / Math.sqrt(DEPTH),
        values: [{ tensor: v1!, gate: gate! }, { tensor: v2! }],
      }),
    // What the window needs; a dense map computes more.
    flops: 2 * tokens * window * window * (DEPTH + 2 * VALUE),
    bytes: 4 * (elements(inputs) + 2 * tokens * VALUE),
    quick,
  };
}

function normCase(op: 'layer-norm' | 'group-norm', shape: number[], groups: number, quick = false): KernelCase {
  const channels = shape.at(-1)!;
  const inputs = { x: randomTensor(shape, 1), weight: randomTensor([channels], 2), bias: randomTensor([channels], 3) };
  const { length } = inputs.x.values;
  return {
    op,
    size: `${shape.join('x')}-${groups}`,
    inputs,
    weights: ['weight', 'bias'],
    build: (ops, { x, weight, bias }) =>
      op === 'layer-norm'
        ? ops.layerNorm(x!, weight!, bias!, { groups })
        : ops.groupNorm(x!, weight!, bias!, groups, { activation: 'relu' }),
    flops: 8 * length,
    bytes: 8 * length,
    quick,
  };
}

function resizeCase([h, w]: [number, number], [height, width]: [number, number], channels: number): KernelCase {
  const inputs = { x: randomTensor([h, w, channels], 1) };
  return {
    op: 'resize-bilinear',
    size: `${h}x${w}-${height}x${width}x${channels}`,
    inputs,
    weights: [],
    build: (ops, { x }) => ops.resizeBilinear(x!, [height, width], { alignCorners: true }),
    flops: 8 * height * width * channels,
    bytes: 4 * (elements(inputs) + height * width * channels),
  };
}

/** Global attention of a ViT block over a square image, with relative positions. */
function multiHeadAttentionCase(side: number, heads: number, headSize: number, quick = false): KernelCase {
  const tokens = side * side;
  const channels = heads * headSize;
  const inputs = {
    qkv: randomTensor([tokens, 3 * channels], 1),
    rows: randomTensor([2 * side - 1, headSize], 2, 0.1),
    columns: randomTensor([2 * side - 1, headSize], 3, 0.1),
  };
  return {
    op: 'multi-head-attention',
    size: `${tokens}x${heads}x${headSize}`,
    inputs,
    weights: ['rows', 'columns'],
    build: (ops, { qkv, rows, columns }) =>
      ops.multiHeadAttention(qkv!, qkv!, qkv!, {
        heads,
        channels,
        keyColumn: channels,
        valueColumn: 2 * channels,
        relative: { height: side, width: side, rows: rows!, columns: columns! },
      }),
    flops: 4 * tokens * tokens * channels + 4 * tokens * side * channels,
    bytes: 4 * (elements(inputs) + tokens * channels),
    quick,
  };
}

/** Shifted windows of a Swin stage. */
function windowAttentionCase(height: number, width: number, heads: number, window: number): KernelCase {
  const channels = 32 * heads;
  const inputs = {
    qkv: randomTensor([height * width, 3 * channels], 1),
    bias: randomTensor([3 * channels], 2),
    table: randomTensor([(2 * window - 1) ** 2, heads], 3),
  };
  const shape = { height, width, window, shift: Math.floor(window / 2), heads };
  return {
    op: 'window-attention',
    size: `${height}x${width}x${channels}-${window}`,
    inputs,
    weights: ['bias', 'table'],
    build: (ops, { qkv, bias, table }) => ops.windowAttention(qkv!, bias!, table!, shape),
    flops: 4 * height * width * window * window * channels,
    bytes: 4 * (elements(inputs) + height * width * channels),
  };
}

/** A layer of Grounding DINO's encoder: four levels of an image, every pixel of them a query. */
function deformableAttentionCase(first: readonly [number, number], quick = false): KernelCase {
  const half = (n: number) => Math.ceil(n / 2);
  const levels = [{ height: first[0], width: first[1] }];
  while (levels.length < 4) levels.push({ height: half(levels.at(-1)!.height), width: half(levels.at(-1)!.width) });
  const queries = levels.reduce((sum, { height, width }) => sum + height * width, 0);
  const [heads, points] = [8, 4];
  const inputs = {
    value: randomTensor([queries, 256], 1),
    projection: randomTensor([queries, heads * 4 * points * 3], 2, 4),
    reference: { ...randomTensor([queries, 2], 3), values: gridCentres(levels) },
  };
  return {
    op: 'deformable-attention',
    size: `${queries}`,
    inputs,
    weights: [],
    build: (ops, { value, projection, reference }) =>
      ops.deformableAttention(value!, projection!, reference!, { levels, heads, points }),
    // Four corners of 16 samples for each of 256 channels.
    flops: queries * 256 * 16 * 8,
    bytes: 4 * (elements(inputs) + queries * 256),
    quick,
  };
}

/** Centres of the pixels of every level, as shares of the image. */
function gridCentres(levels: readonly { height: number; width: number }[]): Float32Array<ArrayBuffer> {
  const centres: number[] = [];
  for (const { height, width } of levels) {
    for (let i = 0; i < height * width; i++) {
      centres.push(((i % width) + 0.5) / width, (Math.floor(i / width) + 0.5) / height);
    }
  }
  return Float32Array.from(centres);
}

/** Sizes of a DeAOT frame at 480p: 31x54 tokens, maps of 61x107 and 121x213; of SAM's and Grounding DINO's encoders. */
export const kernelCases: readonly KernelCase[] = [
  gemmCase(256, 512, 512),
  gemmCase(1674, 256, 1024),
  gemmCase(4096, 768, 3072),
  convCase(61, 107, 256, 128, true),
  convCase(121, 213, 128, 128),
  attentionCase(1674, 1, true),
  attentionCase(1674, 4),
  localAttentionCase(31, 54, true),
  depthwiseCase(31, 54, 1024, 5, true),
  depthwiseCase(121, 213, 144, 3),
  normCase('layer-norm', [1674, 512], 2, true),
  normCase('group-norm', [121, 213, 128], 8, true),
  normCase('group-norm', [1674, 512], 2),
  multiHeadAttentionCase(32, 12, 64, true),
  multiHeadAttentionCase(64, 12, 64),
  windowAttentionCase(100, 167, 6, 7),
  deformableAttentionCase([25, 42], true),
  deformableAttentionCase([100, 167]),
  resizeCase([61, 107], [121, 213], 128),
];

/** Sizes for a browser's software adapter, which computes a tenth of what others do. */
export const smallCases: readonly KernelCase[] = [
  gemmCase(128, 256, 256),
  convCase(24, 32, 64, 64),
  attentionCase(256, 1),
  multiHeadAttentionCase(16, 4, 64),
];
