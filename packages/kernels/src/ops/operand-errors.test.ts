// Gradients of tfjs's own operations, which the union package registers.
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import {
  grad,
  memory,
  mul,
  ones,
  type Rank,
  sum,
  type Tensor,
  tensor,
  tidy,
  valueAndGrad,
  zeros,
} from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  conv2d,
  GradientError,
  gatedAttention,
  gemm,
  initialize,
  layerNorm,
  linearConcat,
  multiHeadAttention,
  NoRuntimeError,
  OperandError,
  type Runtime,
  ShapeError,
  shutdown,
  stockOps,
} from '../index.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

const a = () => zeros([4, 8]);
const b = () => zeros([8, 4]);
const ints = (...shape: number[]) => zeros(shape, 'int32');
/** As a program without types calls it. */
const loose = (op: unknown) => op as (...args: unknown[]) => Tensor;

const attention = (change: object) => ({
  query: zeros([4, 8]),
  keys: zeros([8, 4]),
  values: [{ tensor: zeros([4, 8]) }],
  validKeys: 4,
  scale: 1,
  ...change,
});

/** Calls that make no sense, the argument at fault, and what the message must say. */
const WRONG: [name: string, run: () => Tensor, argument: string, message: RegExp][] = [
  [
    'int32 a',
    () => gemm(ints(4, 8), b()),
    'a',
    /^gemm: a is to be a tensor of float32, got one of int32 \[4, 8\]: cast it/,
  ],
  ['int32 b', () => gemm(a(), ints(8, 4)), 'b', /b is int32: cast it, .* asFloat16/],
  ['bool b', () => gemm(a(), zeros([8, 4], 'bool')), 'b', /float32 or int32, got one of bool \[8, 4\]/],
  ['no b', () => loose(gemm)(a()), 'b', /b is to be a tensor .*, got undefined/],
  ['an array', () => loose(gemm)([[1, 2]], b()), 'a', /a is to be a tensor of float32, got an array/],
  [
    'unknown activation',
    () => loose(gemm)(a(), b(), { activation: 'swish' }),
    'activation',
    /one of none, relu, relu6, silu, sigmoid, gelu, got "swish"/,
  ],
  [
    'unknown activation of a normalisation',
    () => loose(layerNorm)(zeros([4, 8]), ones([8]), zeros([8]), { activation: 'tanh' }),
    'activation',
    /got "tanh"/,
  ],
  [
    'misspelt option',
    () => loose(gemm)(a(), b(), { activaton: 'relu' }),
    'activaton',
    /options has no `activaton`; there is bias, activation/,
  ],
  [
    'bias that is a number',
    () => loose(gemm)(a(), b(), { bias: 1 }),
    'bias',
    /bias is to be a tensor of float32, got 1/,
  ],
  ['int32 bias', () => gemm(a(), b(), { bias: ints(4) }), 'bias', /bias is to be a tensor of float32/],
  ['alpha that is no number', () => gemm(a(), b(), { alpha: Number.NaN }), 'alpha', /alpha is to be a number, got NaN/],
  [
    'unknown variant',
    () => loose(gemm)(a(), b(), { variant: 'fastest' }),
    'variant',
    /variant is to be one of .*, got "fastest"/,
  ],
  ['options that are none', () => loose(gemm)(a(), b(), 'relu'), 'options', /options is to be an object, got "relu"/],
  ['int32 image', () => conv2d(ints(4, 4, 4), zeros([1, 1, 4, 4])), 'x', /x is to be a tensor of float32/],
  [
    'field that is missing',
    () => loose(gatedAttention)(attention({ scale: undefined })),
    'scale',
    /scale is to be a number, got undefined/,
  ],
  [
    'list of something else',
    () => loose(gatedAttention)(attention({ values: zeros([4, 8]) })),
    'values',
    /values is to be a list/,
  ],
  [
    'field in a list',
    () => linearConcat([{ x: a(), weight: b(), bias: ints(4) }]),
    'bias',
    /bias is to be a tensor of float32/,
  ],
];

describe('a call that makes no sense', () => {
  it.each(WRONG)('%s', (_, run, argument, message) => {
    const before = memory().numTensors;
    tidy(() => {
      let thrown: unknown;
      try {
        run();
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(OperandError);
      expect((thrown as OperandError).argument).toBe(argument);
      expect((thrown as Error).message).toMatch(message);
    });
    expect(memory().numTensors).toBe(before);
  });

  it('names a tensor that was disposed', () => {
    const gone = a();
    gone.dispose();
    expect(() => gemm(gone, b())).toThrow(/^gemm: a was disposed/);
  });

  it('shapes that do not fit are still told as such', () => {
    expect(() => gemm(a(), zeros([3, 4]))).toThrow(ShapeError);
  });
});

describe('gradients', () => {
  const x = () => tensor([1, 2, 3, 4], [2, 2]);

  it('through a kernel are refused, whatever is between', () => {
    const loss = (input: Tensor) => sum(gemm(mul(input, 2), ones([2, 4]), { activation: 'relu' }));
    expect(() => grad(loss)(x())).toThrow(GradientError);
    expect(() => grad(loss)(x())).toThrow(/^gemm: there are no gradients through kernels/);
    expect(() => valueAndGrad((input: Tensor) => sum(linearConcat([{ x: input, weight: ones([2, 4]) }])))(x())).toThrow(
      /no gradients through kernels/,
    );
  });

  it('past a kernel on constants are right, and so are those of stock operations', async () => {
    const past = grad((input: Tensor) => sum(mul(input, gemm(ones([2, 2]), ones([2, 2])))))(x());
    expect([...(await past.data())]).toEqual([2, 2, 2, 2]);
    const stock = grad((input: Tensor) => sum(stockOps.gemm(input, ones([2, 3]))))(x());
    expect([...(await stock.data())]).toEqual([3, 3, 3, 3]);
  });
});

it('what a GPU cannot bind or count is refused before anything is recorded, and nothing is lost', async () => {
  const many = zeros<Rank.R3>([65_536, 1, 4]);
  expect(() => gemm(zeros([4, 0]), zeros([0, 4]))).toThrow(
    /^kernel gemm.*: a wants a tensor that is not empty.*\[4,0\]/,
  );
  expect(() => multiHeadAttention(many, many, many, { heads: 1 })).toThrow(/65536.*more than 65535 along an axis/);
  const product = gemm(ones([2, 4]), ones([4, 4]));
  expect([...(await product.data())]).toEqual(Array(8).fill(4));
  runtime.throwIfFailed();
  // Of nothing there is nothing to compute.
  expect(gemm(zeros([0, 4]), zeros([4, 4])).shape).toEqual([0, 4]);
});

it('before initialize and after shutdown says so', async () => {
  const x = zeros([1, 1]);
  shutdown(runtime);
  expect(() => gemm(x, x)).toThrow(NoRuntimeError);
  expect(() => gemm(x, x)).toThrow(/await initialize\(\)/);
  runtime = await initialize();
});
