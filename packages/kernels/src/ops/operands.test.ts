import { type DataType, type Tensor, type TensorContainer, tidy, zeros } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  initialize,
  makeIdBank,
  makeMaskPlan,
  makeResizePlan,
  OperandError,
  type Runtime,
  ShapeError,
  shutdown,
} from '../index.js';
import * as operations from './index.js';

/** Nothing is computed: what is wrong is to be found before that. */
let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize({ backend: 'null' });
});
afterAll(() => shutdown(runtime));

const f = (...shape: number[]) => zeros(shape);
const i = (...shape: number[]) => zeros(shape, 'int32');
const linear = (inputs: number, outputs: number) => ({ weight: f(inputs, outputs), bias: f(outputs) });
const size = { height: 6, width: 7 };
const maskPlan = () => makeMaskPlan({ side: 4, frame: 16, input: { height: 9, width: 16 }, output: size });
const window = { height: 4, width: 5, window: 7, heads: 2 };

/** A call of each operation with every operand that it takes, by the names of its arguments. */
const CALLS: Record<string, () => Record<string, unknown>> = {
  biAttention: () => ({
    input: { image: f(5, 8), keys: f(8, 12), keyBias: f(12), values: f(12, 4), bias: f(4), residual: f(5, 4) },
  }),
  boxSineEmbedding: () => ({ boxes: f(3, 4) }),
  broadcastAdd: () => ({ x: f(3, 4, 5), y: f(4, 5) }),
  concatColumns: () => ({ parts: [{ x: f(3, 4) }, { x: f(3, 8), columns: [4, 4] }] }),
  conv2d: () => ({ x: f(5, 6, 8), weight: f(3, 3, 8, 4), options: { bias: f(4), residual: f(3, 4, 4) } }),
  copyBlock: () => ({ x: f(3, 4), target: f(3, 8), at: { column: 4 } }),
  deformableAttention: () => ({
    value: f(6, 16),
    projection: f(3, 24),
    reference: f(3, 2),
    shape: { levels: [{ height: 2, width: 3 }], heads: 2, points: 4 },
  }),
  depthwiseConv: () => ({ x: f(5, 6, 8), weight: f(3, 3, 8, 1), options: { bias: f(8) } }),
  feedForward: () => ({
    x: f(3, 8),
    first: linear(8, 16),
    second: linear(16, 4),
    options: { activation: 'relu', residual: f(3, 4) },
  }),
  filterPixels: () => ({
    pixels: i(18),
    options: {
      input: { height: 4, width: 6, channels: 3 },
      columns: i(3, 5),
      rows: i(2, 4),
      table: f(3, 256),
      channels: 3,
      frame: { height: 2, width: 3 },
    },
  }),
  gatedAttention: () => ({
    input: {
      query: f(5, 8),
      keys: f(8, 12),
      values: [{ tensor: f(12, 4), gate: f(5, 4) }, { tensor: f(12, 8) }],
      validKeys: 11,
      scale: 1,
    },
  }),
  gatherRows: () => ({ x: f(3, 4), rows: i(5), fill: f(4) }),
  gemm: () => ({
    a: f(4, 8),
    b: f(8, 12),
    options: { bias: f(12), gate: f(4, 12), residual: f(4, 12), into: { tensor: f(4, 16) } },
  }),
  groupNorm: () => ({ x: f(5, 16), weight: f(16), bias: f(16), groups: 2 }),
  idEmbedding: () => ({
    labels: i(9, 8),
    bank: makeIdBank(new Float32Array(9 * 11 * 32), new Float32Array(32), 3, 11),
    geometry: { height: 9, width: 8, stride: 2, padding: 1 },
  }),
  labelArgmax: () => ({ maps: f(3, 4, 8), options: { classes: 7, ...size, alignCorners: true } }),
  labelDecode: () => ({ logits: f(2, 3, 4, 12), options: { objects: 12, ...size, alignCorners: true } }),
  labelPropagation: () => ({
    input: {
      height: 2,
      width: 3,
      query: f(6, 4),
      frames: [
        { key: f(6, 4), labels: f(6, 8), radius: 1 },
        { key: f(6, 4), labels: f(6, 8), radius: 2 },
      ],
      temperature: 1,
      topK: 3,
    },
  }),
  labelUncertainty: () => ({ logits: f(2, 3, 4, 12), options: { objects: 12 } }),
  layerNorm: () => ({ x: f(5, 8), weight: f(8), bias: f(8) }),
  linearConcat: () => ({
    parts: [
      { x: f(4, 8), weight: f(8, 12), bias: f(12), residual: f(4, 12) },
      { x: f(4, 4), weight: f(4, 8) },
    ],
  }),
  localGatedAttention: () => ({
    input: {
      height: 2,
      width: 3,
      window: 3,
      query: f(6, 8),
      key: f(6, 8),
      relative: f(6, 12),
      values: [{ tensor: f(6, 4), gate: f(6, 4) }, { tensor: f(6, 8) }],
      scale: 1,
    },
  }),
  maskBits: () => ({ logits: f(2, 4, 4), plan: maskPlan(), options: { selected: i(1) } }),
  maskLogits: () => ({ features: f(1, 6, 64), vectors: f(1, 3, 4), grid: [2, 3] }),
  maskStatistics: () => ({ logits: f(2, 4, 4), plan: maskPlan(), options: { selected: i(1) } }),
  maskValues: () => ({ logits: f(2, 4, 4), plan: maskPlan(), options: { selected: i(1) } }),
  maxPool: () => ({ x: f(5, 6, 8), size: 2 }),
  multiHeadAttention: () => ({
    query: f(6, 16),
    key: f(6, 16),
    value: f(6, 16),
    options: { heads: 2, mask: f(6, 6), relative: { height: 2, width: 3, rows: f(3, 8), columns: f(5, 8) } },
  }),
  patchMerge: () => ({ x: f(4, 6, 8) }),
  preprocess: () => ({ pixels: i(5, 6), plan: makeResizePlan(5, 6, 6, 7) }),
  refineBoxes: () => ({ delta: f(3, 4), boxes: f(3, 4) }),
  relativeWindowAttention: () => ({
    qkv: f(20, 48),
    qkvBias: f(48),
    rows: f(13, 8),
    columns: f(13, 8),
    shape: window,
  }),
  resizeBilinear: () => ({ x: f(3, 4, 8), size: [5, 6], options: { residual: f(5, 6, 8) } }),
  softmaxRows: () => ({ x: f(3, 8) }),
  transpose: () => ({ x: f(3, 4), options: { into: { tensor: f(4, 8), column: 2 } } }),
  windowAttention: () => ({
    qkv: f(20, 96),
    qkvBias: f(96),
    biasTable: f(169, 2),
    shape: { ...window, shift: 0 },
  }),
};

/** Changes of size that are none of an operand's: it may have any, along an axis or before the first. */
const FREE: Record<string, readonly string[]> = {
  boxSineEmbedding: ['boxes longer along 0'],
  // A number is repeated too.
  broadcastAdd: ['x of two more axes', 'x longer along 0', 'y of no axes'],
  concatColumns: ['parts.0.x longer along 1', 'parts.1.x longer along 1'],
  copyBlock: ['target longer along 0', 'target longer along 1'],
  depthwiseConv: ['x longer along 0', 'x longer along 1', 'weight longer along 0', 'weight longer along 1'],
  filterPixels: ['options.columns longer along 1', 'options.rows longer along 1'],
  gatedAttention: [
    'input.values.0.tensor longer along 0',
    'input.values.1.tensor longer along 0',
    'input.values.1.tensor longer along 1',
  ],
  gatherRows: ['x longer along 0', 'rows longer along 0'],
  gemm: ['options.into.tensor longer along 1'],
  groupNorm: ['x of two more axes', 'x longer along 0'],
  idEmbedding: ['labels longer along 0', 'labels longer along 1'],
  labelArgmax: ['maps longer along 0', 'maps longer along 1'],
  labelDecode: ['logits longer along 1', 'logits longer along 2'],
  labelUncertainty: ['logits longer along 1', 'logits longer along 2'],
  layerNorm: ['x of two more axes', 'x longer along 0'],
  linearConcat: ['parts.1.weight longer along 1'],
  localGatedAttention: ['input.relative longer along 1'],
  maskBits: ['logits of two more axes', 'logits longer along 0', 'options.selected longer along 0'],
  maskLogits: ['vectors longer along 1'],
  maskStatistics: ['logits of two more axes', 'logits longer along 0', 'options.selected longer along 0'],
  maskValues: ['logits of two more axes', 'logits longer along 0', 'options.selected longer along 0'],
  maxPool: ['x longer along 0', 'x longer along 1'],
  patchMerge: ['x longer along 0', 'x longer along 1'],
  resizeBilinear: ['x longer along 0', 'x longer along 1'],
  softmaxRows: ['x longer along 0'],
  transpose: ['x longer along 0', 'options.into.tensor longer along 1'],
};

/** Operands of any type, as long as they have the same. */
const ANY_TYPE = ['copyBlock x', 'copyBlock target'];

type Path = readonly string[];

/** Where the tensors of arguments are. */
function tensorPaths(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('dataId' in value) return [path];
  return Object.entries(value).flatMap(([key, inner]) => tensorPaths(inner, [...path, key]));
}

const at = (value: unknown, path: Path): unknown =>
  path.reduce((inner, key) => (inner as Record<string, unknown>)[key], value);

type Operations = Record<string, (...args: unknown[]) => TensorContainer>;

/** Calls an operation with another tensor in one place. @returns What it throws, if anything */
function outcome(name: string, path: Path, change: (right: Tensor) => unknown): unknown {
  let thrown: unknown;
  tidy(() => {
    const given = CALLS[name]!();
    const holder = at(given, path.slice(0, -1)) as Record<string, unknown>;
    const key = path.at(-1)!;
    holder[key] = change(holder[key] as Tensor);
    const before = runtime.dispatchCount;
    try {
      (operations as unknown as Operations)[name]!(...Object.values(given));
    } catch (error) {
      thrown = error;
      expect(runtime.dispatchCount, `${name} with another ${path.join('.')} is refused too late`).toBe(before);
    }
  });
  return thrown;
}

const names = Object.entries(operations).flatMap(([name, value]) =>
  typeof value === 'function' && 'kernels' in value ? name : [],
);

it('a call of every operation is tried', () => {
  expect(Object.keys(CALLS).sort()).toEqual(names.sort());
  for (const name of names)
    expect(
      outcome(name, [Object.keys(CALLS[name]!())[0]!], (x) => x),
      name,
    ).toBeUndefined();
});

it.each(names)('%s refuses every operand that it cannot compute with', (name) => {
  const right: { path: Path; shape: readonly number[]; dtype: DataType }[] = [];
  tidy(() => {
    const given = CALLS[name]!();
    for (const path of tensorPaths(given)) {
      const { shape, dtype } = at(given, path) as Tensor;
      right.push({ path, shape, dtype });
    }
  });
  const free: string[] = [];
  for (const { path, shape, dtype } of right) {
    const operand = path.join('.');
    const refusal = expect.objectContaining({ name: 'OperandError', argument: path.at(-1) });
    const disposed = (tensor: Tensor) => {
      tensor.dispose();
      return tensor;
    };
    expect(outcome(name, path, disposed), `${operand}, disposed`).toEqual(refusal);
    expect(
      outcome(name, path, () => 'nothing'),
      `${operand} that is no tensor`,
    ).toEqual(refusal);
    for (const other of ['bool', dtype === 'int32' ? 'float32' : 'int32'] satisfies DataType[]) {
      const error = outcome(name, path, () => zeros([...shape], other));
      expect(error, `${operand} of ${other}`).toBeInstanceOf(OperandError);
      if (!ANY_TYPE.includes(`${name} ${operand}`)) expect(error, `${operand} of ${other}`).toEqual(refusal);
    }
    const sizes: [string, number[]][] = [
      [`${operand} of no axes`, []],
      [`${operand} of two more axes`, [2, 1, ...shape]],
      ...shape.map((_, axis): [string, number[]] => [
        `${operand} longer along ${axis}`,
        shape.map((length, i) => (i === axis ? length + 1 : length)),
      ]),
    ];
    for (const [what, size] of sizes) {
      const error = outcome(name, path, () => zeros(size, dtype));
      if (error === undefined) free.push(what);
      else expect(error, what).toBeInstanceOf(ShapeError);
    }
  }
  expect(free.sort()).toEqual([...(FREE[name] ?? [])].sort());
});
