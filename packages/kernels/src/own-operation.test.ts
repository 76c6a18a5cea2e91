// An operation as a program of its own writes it, with what the package exports.
import {
  defineKernel,
  defineOp,
  GradientError,
  getRuntime,
  initialize,
  KernelDefinitionError,
  OperandError,
  type Runtime,
  ShapeError,
  shutdown,
} from '@samtrack/kernels';
import { fields, float32, listOf, number, oneOf, optional, record, variant } from '@samtrack/kernels/arguments';
import { tuningOf } from '@samtrack/kernels/tuning';
import { grad, ones, type Tensor, tensor, zeros } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';

const template = `
struct Params { size: u32, length: u32, factor: f32 }
@group(0) @binding(auto) var<storage, read> x: array<f32>;
#if SHIFT
@group(0) @binding(auto) var<storage, read> shift: array<f32>;
#endif
@group(0) @binding(auto) var<storage, read_write> out: array<f32>;
@group(0) @binding(auto) var<uniform> params: Params;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  for (var i = id.x * RUN; i < min(params.size, (id.x + 1) * RUN); i++) {
    var value = x[i] * params.factor;
#if SHIFT
    value += shift[i % params.length];
#endif
    out[i] = value;
  }
}`;

const kernelOf = (name: string, run: number) =>
  defineKernel({ name, template: `const RUN = ${run}u;\n${template}`, optional: ['shift'] });
const kernels = { single: kernelOf('own/single', 1), run: kernelOf('own/run', 4) };

interface AffineOptions {
  shift?: Tensor;
  sign?: 'plus' | 'minus';
  variant?: keyof typeof kernels;
}

/** `factor x + shift`, the shift repeated. */
const affine = defineOp({
  name: 'own-affine',
  takes: {
    x: float32,
    line: record<{ factor: number }>({ factor: number }),
    options: fields<AffineOptions>({ shift: optional(float32), sign: optional(oneOf(['plus', 'minus'])), variant }),
  },
  kernels: Object.values(kernels),
  supported: (_: { size: number }): readonly (keyof typeof kernels)[] => ['single', 'run'],
  select: ({ size }) => (size < 8 ? 'single' : 'run'),
  work: ({ size }) => ({ flops: 2 * size, bytes: 8 * size }),
  run(call, x: Tensor, { factor }: { factor: number }, { shift, sign = 'plus' }: AffineOptions = {}): Tensor {
    const length = shift?.size ?? 1;
    if (length === 0 || x.size % length !== 0) throw call.wrong('whole repetitions of the shift', { x, shift });
    const out = call.allocate(x.shape);
    const chosen = call.choose({ size: x.size });
    call.launch(kernels[chosen], {
      tensors: { x, shift, out },
      uniforms: { size: x.size, length, factor: sign === 'plus' ? factor : -factor },
      invocations: Math.ceil(x.size / (chosen === 'run' ? 4 : 1)),
    });
    return out;
  },
});

/** Made of another operation. */
const all = defineOp({
  name: 'own-all',
  takes: { parts: listOf(float32) },
  kernels: [],
  run: (_, parts: readonly Tensor[]): Tensor[] => parts.map((x) => affine(x, { factor: 2 })),
});

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

/** As a program without types calls it. */
const loose = affine as unknown as (...args: unknown[]) => Tensor;

it('computes, with each of its kernels', async () => {
  const x = tensor([1, 2, 3, 4, 5, 6]);
  const shift = tensor([10, 20]);
  for (const variant of ['single', 'run', undefined] as const) {
    expect([...(await affine(x, { factor: 3 }, { shift, variant }).data())]).toEqual([13, 26, 19, 32, 25, 38]);
  }
  expect([...(await affine(x, { factor: 3 }, { sign: 'minus' }).data())]).toEqual([-3, -6, -9, -12, -15, -18]);
  expect([...(await all([x, shift])[1]!.data())]).toEqual([20, 40]);
});

it('refuses what it does not take, as the package does', () => {
  const x = ones([6]);
  expect(() => loose(zeros([6], 'int32'), { factor: 1 })).toThrow(OperandError);
  expect(() => loose(x, {})).toThrow(/^own-affine: factor is to be a number, got undefined/);
  expect(() => loose(x, { factor: 1 }, { shfit: x })).toThrow(/options has no `shfit`; there is shift, sign, variant/);
  expect(() => loose(x, { factor: 1 }, { sign: 'times' })).toThrow(/one of plus, minus, got "times"/);
  expect(() => loose(x, { factor: 1 }, { variant: 'fast' })).toThrow(/variant is to be one of single, run/);
  expect(() => affine(x, { factor: 1 }, { shift: ones([4]) })).toThrow(ShapeError);
  expect(() => all([x, zeros([1], 'bool')])).toThrow(/^own-all: parts\[1\] is to be a tensor of float32/);
  expect(() => grad((y: Tensor) => affine(y, { factor: 1 }))(x)).toThrow(GradientError);
});

it('is launched with what its text declares', () => {
  const [x, out] = [ones([4]), getRuntime().allocate([4])];
  const launch = (uniforms: Record<string, number>) =>
    runtime.launch(kernels.single, { tensors: { x, out }, uniforms, invocations: 4 });
  expect(() => launch({ size: 4, length: 1, faktor: 2 })).toThrow(KernelDefinitionError);
  expect(() => launch({ size: 4, length: 1, faktor: 2 })).toThrow(
    /own\/single: faktor is no uniform of it; there is size/,
  );
  expect(() => launch({ size: 4.5, length: 1, factor: 2 })).toThrow(/own\/single: size wants an integer/);
});

it('has its kernel chosen as others have', () => {
  const choices: string[] = [];
  tuningOf(runtime).observe(({ op, key }) => choices.push(`${op.name} ${key}`));
  all([ones([64])]);
  tuningOf(runtime).observe(undefined);
  expect(choices).toEqual(['own-affine size=64']);
  expect(tuningOf(runtime).force('own-affine', 'single', () => affine(ones([64]), { factor: 2 })).shape).toEqual([64]);
});
