import { dispose, tensor } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AdapterName, adapterNames, adapters } from '../../test/adapters.js';
import {
  type DeviceHandle,
  definedPrograms,
  defineKernel,
  initialize,
  openDevice,
  type Runtime,
  shutdown,
} from '../index.js';
import { runCase, runsOf, toTensor } from '../testing/index.js';
import { lintWgsl } from '../wgsl/index.js';
import { allCases } from './cases.js';
import type { MatmulVariant } from './gemm/index.js';
import * as operations from './index.js';

// Dawn's null backend validates and executes nothing: every variant is compiled, also those that no adapter here can run.
let handle: DeviceHandle;
let runtime: Runtime;

/** Opens the null backend as an adapter class for the tests of a block, each of which has a device of its own. */
function runOn(name: AdapterName): void {
  beforeAll(async () => {
    handle = await openDevice({ backend: 'null' });
    runtime = await initialize({ handle: { ...handle, adapterClass: adapters[name] } });
  });
  afterAll(() => shutdown(runtime));
}

/** The first validation error of `work`. */
async function validate(work: () => void): Promise<string | undefined> {
  handle.device.pushErrorScope('validation');
  work();
  runtime.flush();
  return (await handle.device.popErrorScope())?.message;
}

/**
 * Whether an error says no more than that the null adapter has less workgroup memory than the adapter in question: a
 * program gets that far only when its text is valid.
 */
function onlyTooLarge(error: string, name: AdapterName): boolean {
  const [, bytes] = /total use of workgroup storage \((\d+) bytes\)/.exec(error) ?? [];
  if (bytes) {
    tooLarge.add(/ComputePipeline "([^"]*)"/.exec(error)![1]!);
    return Number(bytes) <= adapters[name].maxWorkgroupBytes;
  }
  // The next launch of the same program; one that is wrong itself would say so instead.
  const [, pipeline] = /Invalid ComputePipeline "([^"]*)"\] is invalid due to a previous error/.exec(error) ?? [];
  return pipeline !== undefined && tooLarge.has(pipeline);
}
const tooLarge = new Set<string>();

const MATRIX_VARIANTS: MatmulVariant[] = [
  'broadcast',
  'vector-64x128',
  'vector-32x64',
  'vector-32x32',
  'split-k',
  'tiled',
  'subgroup-matrix',
];

describe.each(adapterNames)('kernels for the adapter class %s', (name: AdapterName) => {
  runOn(name);

  it('are valid', async () => {
    const wrong: string[] = [];
    for (const opCase of allCases.filter((c) => !c.bench)) {
      const inputs = Object.fromEntries(Object.entries(opCase.inputs).map(([key, t]) => [key, toTensor(t)]));
      for (const variant of runsOf(opCase, runtime)) {
        const error = await validate(() => dispose(runCase(runtime, opCase, inputs, variant)));
        if (error && !onlyTooLarge(error, name)) wrong.push(`${opCase.op} ${opCase.name} ${variant}: ${error}`);
      }
      dispose(inputs);
    }
    expect(wrong).toEqual([]);
    expect([...tooLarge].filter((program) => !program.endsWith('-attention/tiled'))).toEqual([]);
    runtime.throwIfFailed();
  });
});

describe('what was compiled', () => {
  runOn(adapterNames[0]!);

  it('has every variant', () => {
    const names = new Set(definedPrograms().map((p) => p.name));
    for (const variant of MATRIX_VARIANTS) {
      expect(names).toContain(`gemm/${variant}`);
      expect(names).toContain(`conv2d/${variant}`);
    }
    const kernels = Object.values(operations).flatMap((op) =>
      typeof op === 'function' && 'kernels' in op ? op.kernels : [],
    );
    expect(kernels.length).toBeGreaterThan(70);
    // Kernels of several operations may have one text.
    const texts = new Set(kernels.filter(({ name }) => names.has(name)).map(({ sources }) => sources.join()));
    expect(kernels.filter(({ sources }) => !texts.has(sources.join())).map(({ name }) => name)).toEqual([]);
  });

  // What follows the product that was split is in the program that merges its parts.
  it.each(MATRIX_VARIANTS.filter((variant) => variant !== 'split-k'))(
    'gemm/%s with and without each part of the epilogue',
    (variant) => {
      const keys = definedPrograms()
        .filter((p) => p.name === `gemm/${variant}` || p.name === `conv2d/${variant}`)
        .map((p) => p.key);
      for (const part of ['CONV', 'BIAS', 'GATE', 'RESIDUAL', 'FINAL_RELU']) {
        expect(
          keys.some((key) => key.includes(`|${part}=true`)),
          `${part}`,
        ).toBe(true);
        expect(
          keys.some((key) => key.includes(`|${part}=false`)),
          `no ${part}`,
        ).toBe(true);
      }
      for (const activation of ['none', 'relu', 'relu6', 'silu', 'gelu'])
        expect(
          keys.some((key) => key.includes(`|ACTIVATION=${activation}`)),
          activation,
        ).toBe(true);
    },
  );

  it('passes the lint', () => {
    const programs = definedPrograms();
    expect(programs.length).toBeGreaterThan(100);
    for (const program of programs) expect(lintWgsl(program.wgsl), program.key).toEqual([]);
  });

  it('would show an invalid program', async () => {
    const x = tensor([1]);
    const kernel = defineKernel({
      name: 'test/invalid',
      template:
        '@group(0) @binding(auto) var<storage, read_write> x: array<f32>;\n@compute @workgroup_size(1) fn main() { x[0] = 1u; }',
    });
    const error = await validate(() => runtime.launch(kernel, { tensors: { x }, workgroups: [1] }));
    expect(error).toMatch(/f32/);
    x.dispose();
  });
});
