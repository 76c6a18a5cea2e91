import { add } from '@tensorflow/tfjs-core';
import type { Activation } from '../../families/activation/index.js';
import { type MatmulVariant, supportedMatmul } from '../../families/matmul/index.js';
import { asFloat16 } from '../../op/float16.js';
import type { Portable } from '../../op/signature.js';
import { type BenchRequest, benchOf, type CaseTensor, lazyTensor, type OpCase, randomTensor } from '../case.js';
import { gemm } from './index.js';
import { gemmReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { gemm: Portable<typeof gemm> };

interface GemmCase {
  m: number;
  n: number;
  k: number;
  bias?: boolean;
  gate?: boolean;
  residual?: boolean;
  activation?: Activation;
  alpha?: number;
  /** Also runs the larger tiles. */
  largeTiles?: boolean;
  /** Runs `split-k` alone. */
  split?: boolean;
  bench?: BenchRequest;
}

function gemmCase({
  m,
  n,
  k,
  bias,
  gate,
  residual,
  activation = 'none',
  alpha = 1,
  largeTiles,
  split,
  bench,
}: GemmCase): OpCase<Ops> {
  const inputs: OpCase<Ops>['inputs'] = { a: randomTensor([m, k], 1), b: randomTensor([k, n], 2) };
  if (bias) inputs.bias = randomTensor([n], 3);
  if (gate) inputs.gate = randomTensor([m, n], 4);
  if (residual) inputs.residual = randomTensor([m, n], 5);
  const extras = [bias && 'bias', activation !== 'none' && activation, gate && 'gate', residual && 'residual'].filter(
    Boolean,
  );
  return {
    op: 'gemm',
    name: [`${m}x${n}x${k}`, ...extras].join(' '),
    inputs,
    variants: (adapter) => {
      const supported = supportedMatmul({ m, n, k, aligned: true }, adapter);
      return split ? ['split-k'] : largeTiles ? supported : smallTiles(supported);
    },
    build: (ops, { a, b, ...rest }) => ops.gemm(a!, b!, { ...rest, activation, alpha }),
    reference: ({ a, b, ...rest }) => {
      const epilogue = Object.fromEntries(Object.entries(rest).map(([key, tensor]) => [key, tensor.values]));
      return [gemmReference(a!.values, b!.values, { m, n, k }, { ...epilogue, activation, alpha })];
    },
    ...benchOf(bench, {
      size: `${m}x${k}x${n}`,
      flops: 2 * m * n * k,
      bytes: 4 * (m * k + k * n + m * n),
      weights: ['b'],
    }),
  };
}

const LARGE_TILES: readonly MatmulVariant[] = ['vector-64x128', 'vector-32x64', 'split-k'];

/** Variants without the larger tiles, which a software rasteriser takes long to compile: a case that names them runs them. */
export const smallTiles = (variants: readonly MatmulVariant[]): MatmulVariant[] =>
  variants.filter((variant) => !LARGE_TILES.includes(variant));

/** A block of A's rows and columns, written into a block of a larger target whose other elements stay as they are. */
function blockCase(): OpCase<Ops> {
  const [m, n, k] = [21, 36, 24];
  const inputs = {
    a: randomTensor([40, 44], 1),
    b: randomTensor([k, n], 2),
    gate: randomTensor([30, n], 3),
    target: randomTensor([30, 60], 4),
  };
  return {
    op: 'gemm',
    name: 'rows and columns of a into a block of a target',
    inputs,
    variants: (adapter) => smallTiles(supportedMatmul({ m, n, k, aligned: true }, adapter)),
    kernelsOnly: true,
    build: (_, { a, b, gate, target }) => {
      const into = { tensor: add(target!, 0), row: 5, column: 12 };
      return gemm(a!, b!, { aRows: [7, m], aColumns: [16, k], gate, into });
    },
    reference: ({ a, b, gate, target }) => {
      const out = Float64Array.from(target!.values);
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let l = 0; l < k; l++) sum += a!.values[(i + 7) * 44 + 16 + l]! * b!.values[l * n + j]!;
          out[(i + 5) * 60 + 12 + j] = sum * gate!.values[(i + 5) * n + j]!;
        }
      }
      return [out];
    },
  };
}

/** Several products at once, also with the inner dimension of each split. */
function batchCase(batch: number, m: number, n: number, k: number): OpCase<Ops> {
  const inputs = {
    a: randomTensor([batch, m, k], 1),
    b: randomTensor([batch, k, n], 2),
    bias: randomTensor([n], 3),
    residual: randomTensor([batch, m, n], 4),
  };
  return {
    op: 'gemm',
    name: `${batch} of ${m}x${n}x${k} bias residual`,
    inputs,
    variants: (adapter) => [...smallTiles(supportedMatmul({ batch, m, n, k, aligned: true }, adapter)), 'split-k'],
    kernelsOnly: true,
    build: (ops, { a, b, ...rest }) => ops.gemm(a!, b!, rest),
    reference: ({ a, b, bias, residual }) => {
      const out = new Float64Array(batch * m * n);
      for (let i = 0; i < batch; i++) {
        const part = ({ values }: CaseTensor, size: number) => values.subarray(i * size, (i + 1) * size);
        const epilogue = {
          bias: bias!.values,
          residual: part(residual!, m * n),
          activation: 'none',
          alpha: 1,
        } as const;
        out.set(gemmReference(part(a!, m * k), part(b!, k * n), { m, n, k }, epilogue), i * m * n);
      }
      return [out];
    },
  };
}

/** Multiples of 1/1024 below 1, which float16 holds exactly, and their bit patterns. */
function halves(count: number): { halved: CaseTensor; bits(): Uint16Array } {
  const halved = randomTensor([count], 2, 1, (x) => Math.round(x * 1023) / 1024);
  const bits = () =>
    Uint16Array.from(halved.values, (value) => {
      if (value === 0) return 0;
      const exponent = Math.floor(Math.log2(Math.abs(value)));
      const fraction = (Math.abs(value) / 2 ** exponent - 1) * 1024;
      return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
    });
  return { halved, bits };
}

/** B in pairs of float16. */
function halfCase(m: number, n: number, k: number): OpCase<Ops> {
  const { halved, bits } = halves(k * n);
  return {
    op: 'gemm',
    name: `${m}x${n}x${k}, b in pairs of float16`,
    inputs: {
      a: randomTensor([m, k], 1),
      b: lazyTensor([k, n / 2], () => new Int32Array(bits().buffer)),
      bias: randomTensor([n], 3),
    },
    variants: (adapter) => smallTiles(supportedMatmul({ m, n, k, aligned: n % 4 === 0 }, adapter)),
    kernelsOnly: true,
    build: (ops, { a, b, bias }) => ops.gemm(a!, asFloat16(b!), { bias }),
    reference: ({ a, bias }) => [gemmReference(a!.values, halved.values, { m, n, k }, { bias: bias!.values })],
  };
}

/** Below, at and above each tile; primes; 1; lengths that are not multiples of 4; at least 3 steps of the inner loop. */
export const cases: OpCase<Ops>[] = [
  gemmCase({ m: 1, n: 1, k: 1 }),
  gemmCase({ m: 1, n: 4, k: 12 }),
  gemmCase({ m: 15, n: 32, k: 16, bias: true }),
  gemmCase({ m: 16, n: 36, k: 20, bias: true, activation: 'relu', largeTiles: true }),
  gemmCase({ m: 17, n: 68, k: 48, bias: true, activation: 'silu', gate: true, largeTiles: true }),
  gemmCase({ m: 31, n: 29, k: 37, bias: true, activation: 'relu6', residual: true }),
  gemmCase({ m: 64, n: 64, k: 64, activation: 'gelu', bias: true, alpha: 3, largeTiles: true }),
  gemmCase({ m: 131, n: 260, k: 64, alpha: 0.25, gate: true, residual: true, largeTiles: true }),
  gemmCase({ m: 70, n: 132, k: 404, bias: true, activation: 'relu', gate: true, residual: true, split: true }),
  gemmCase({ m: 129, n: 127, k: 33, bias: true, gate: true, residual: true }),
  gemmCase({ m: 259, n: 36, k: 12, bias: true, residual: true }),
  batchCase(3, 21, 36, 260),
  blockCase(),
  halfCase(33, 36, 20),
  halfCase(5, 6, 7),
  gemmCase({ m: 256, n: 512, k: 512, bench: { run: 'quick' } }),
  gemmCase({ m: 1674, n: 1024, k: 256, bench: { run: 'quick' } }),
  gemmCase({ m: 4096, n: 3072, k: 768, bench: true }),
  gemmCase({ m: 128, n: 256, k: 256, bench: { run: 'small' } }),
];
