import { describe, expect, it } from 'vitest';
import { initialize, openDevice, type Runtime, shutdown } from '../src/index.js';
import { allCases, normalisedError, runCase, runsOf, toleranceOf, toTensor } from '../src/testing/index.js';
import { testCases } from './case-runner.js';

// Mesa's software rasteriser makes subgroups as wide as the vectors it is told to use, which gives subgroup sizes that no
// GPU at hand has: the projects kernels-sg4 and kernels-sg16 set LP_NATIVE_VECTOR_WIDTH; without it the size is the CPU's.
const width = Number(process.env['LP_NATIVE_VECTOR_WIDTH'] ?? 0);

const SUBGROUP_VARIANTS = ['broadcast', 'subgroup'];
/** Of the matrix product the tiles need no subgroups. */
const usesSubgroups = (variant: string, op: string) =>
  SUBGROUP_VARIANTS.includes(variant) || (variant === 'tiled' && op.endsWith('-attention'));

/** A few cases of each kernel that uses subgroups. */
const CASES = [
  'gemm 17x68x48 bias silu gate',
  'conv2d 17x19x16 -> 36, 3x3 final relu',
  'attention 17 queries, 35 of 48 keys, depth 16, 2 x 8 channels',
  'softmax 7x36, 33 valid',
  'softmax 70x532, 531 valid',
  'local-attention 5x7, window 15, depth 8, 2 x 12 channels',
  'window-attention 14x21, window 7 shifted 3, 2 heads of 32',
  'multi-head-attention 33 queries, 131 keys, 3 heads of 64',
  'relative-window-attention 16x16, window 7, 3 heads of 32',
];

const isLavapipe = ({ info }: Runtime) => /llvmpipe/i.test(`${info.description} ${info.device}`);
const unless = (runtime: Runtime) =>
  width === 0 || isLavapipe(runtime) ? undefined : 'LP_NATIVE_VECTOR_WIDTH has no effect on this adapter';

const found: string[] = [];
// A block of their own: the GPU is free for other options after it.
describe('cases', () =>
  testCases(
    (c) => {
      const wanted = CASES.includes(`${c.op} ${c.name}`);
      if (wanted) found.push(`${c.op} ${c.name}`);
      return wanted;
    },
    { variants: usesSubgroups, stock: false, unless },
  ));

it('found every case', () => expect(found.sort()).toEqual([...CASES].sort()));

it('runs at the subgroup size that the vector width gives', async ({ skip }) => {
  const runtime = await initialize();
  const { subgroupSize } = runtime.adapterClass;
  const reason = width === 0 ? 'no vector width is set' : unless(runtime);
  shutdown(runtime);
  if (reason) skip(reason);
  expect(subgroupSize).toBe(width / 32);
});

it('takes half as many keys at a time where workgroup memory is small', async ({ skip }) => {
  const { adapterClass, ...device } = await openDevice();
  const runtime = await initialize({
    handle: { ...device, adapterClass: { ...adapterClass, maxWorkgroupBytes: 16384 } },
  });
  try {
    const name = '33 queries, 131 keys, 3 heads of 64';
    const opCase = allCases.find((c) => c.op === 'multi-head-attention' && c.name === name)!;
    if (!runsOf(opCase, runtime).includes('tiled')) skip('tiles need subgroups of 16');
    const inputs = Object.fromEntries(Object.entries(opCase.inputs).map(([key, t]) => [key, toTensor(t)]));
    const [output] = runCase(runtime, opCase, inputs, 'tiled');
    const error = normalisedError(await output!.data(), opCase.reference(opCase.inputs)[0]!);
    runtime.throwIfFailed();
    expect(error).toBeLessThanOrEqual(toleranceOf(opCase, 'tiled'));
  } finally {
    shutdown(runtime);
  }
});
