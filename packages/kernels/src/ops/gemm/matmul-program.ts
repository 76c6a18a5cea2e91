import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type BufferAccess, defineProgram, f32, type Program, type UniformValue } from '../../dispatch/program.js';
import type { Runtime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import activationWgsl from './activation.wgsl';
import bindingsWgsl from './bindings.wgsl';
import broadcastWgsl from './broadcast.wgsl';
import convGeometryWgsl from './conv-geometry.wgsl';
import epilogueWgsl from './epilogue.wgsl';
import epilogueBindingsWgsl from './epilogue-bindings.wgsl';
import operandsWgsl from './operands.wgsl';
import { type GemmVariant, splitParts, tileSize, vectorTile } from './select.js';
import splitMergeWgsl from './split-merge.wgsl';
import subgroupMatrixWgsl from './subgroup-matrix.wgsl';
import tiledWgsl from './tiled.wgsl';
import vectorEpilogueWgsl from './vector-epilogue.wgsl';
import vectorLoadAWgsl from './vector-load-a.wgsl';
import vectorOperandsWgsl from './vector-operands.wgsl';
import vectorTiledWgsl from './vector-tiled.wgsl';

/** Functions fused behind a matrix product. GELU is the exact, erf-based form. */
export type Activation = 'none' | 'relu' | 'relu6' | 'silu' | 'gelu';

/** A matrix product with everything resolved: plain GEMM, or an implicit one over the pixels of a convolution. */
export interface MatmulLaunch {
  variant: GemmVariant;
  a: TensorInfo;
  /** Of dtype int32 where it holds pairs of float16; its lengths below count the numbers then, not the pairs. */
  b: TensorInfo;
  out: TensorInfo;
  bias?: TensorInfo;
  gate?: TensorInfo;
  residual?: TensorInfo;
  /** ReLU of the final sum, residual included. */
  finalRelu?: boolean;
  activation: Activation;
  alpha: number;
  m: number;
  n: number;
  /** Inner length; for a convolution kernelHeight * kernelWidth * channels. */
  k: number;
  batch: number;
  /** Row length of B; n by default. */
  bStride?: number;
  /** Row length of the tensor that holds A, and the first column of A in it. */
  aStride: number;
  aOffset: number;
  outStride: number;
  outOffset: number;
  /** First row written; gate and residual are indexed like the target. */
  outRow?: number;
  aBatch: number;
  bBatch: number;
  outBatch: number;
  conv?: {
    inHeight: number;
    inWidth: number;
    outWidth: number;
    kernelHeight: number;
    kernelWidth: number;
    stride: number;
    dilation: number;
    padTop: number;
    padLeft: number;
  };
}

/**
 * Output rows a subgroup of the broadcast kernel owns: more rows use each load of B more often, but compile longer and leave
 * fewer workgroups, so small products get fewer. So do narrow subgroups: SwiftShader, with lanes for 4, would take a minute to
 * compile 32 rows of a convolution.
 */
const broadcastRows = (m: number, subgroupSize: number): number =>
  Math.min(4 * subgroupSize, Math.max(m >= 256 ? 32 : 16, subgroupSize));

/** Whether a kernel reads and counts in vectors of 4. */
const readsVectors = (variant: GemmVariant): boolean => variant !== 'tiled';

/** Parameters of the epilogue, and of its bindings behind the `operands` first ones. */
function epilogue({ bias, gate, residual, activation, finalRelu = false }: MatmulLaunch, operands: number) {
  const buffers: BufferAccess[] = Array.from({ length: operands }, () => 'read');
  const binding = (present: boolean) => (present ? buffers.push('read') - 1 : -1);
  const params = {
    BIAS: bias !== undefined,
    GATE: gate !== undefined,
    RESIDUAL: residual !== undefined,
    FINAL_RELU: finalRelu,
    ACTIVATION: activation,
    BIAS_BINDING: binding(bias !== undefined),
    GATE_BINDING: binding(gate !== undefined),
    RESIDUAL_BINDING: binding(residual !== undefined),
    OUT_BINDING: buffers.push('write') - 1,
    PARAMS_BINDING: buffers.length,
  };
  return { params, buffers };
}

function program(launch: MatmulLaunch, subgroupSize: number, parts: number): Program {
  const half = launch.b.dtype === 'int32';
  const vectors = readsVectors(launch.variant);
  const { params: epilogueParams, buffers } = epilogue(launch, 2);
  const params = {
    CONV: launch.conv !== undefined,
    B_HALF: half,
    ELEMENT: vectors ? 'vec4f' : 'f32',
    B_ELEMENT: half ? (vectors ? 'vec2u' : 'u32') : vectors ? 'vec4f' : 'f32',
    ...epilogueParams,
  };
  const name = `${launch.conv ? 'conv2d' : 'gemm'}/${launch.variant}`;
  const includes = {
    activation: activationWgsl,
    bindings: bindingsWgsl,
    'conv-geometry': convGeometryWgsl,
    operands: operandsWgsl,
    epilogue: epilogueWgsl,
    'epilogue-bindings': epilogueBindingsWgsl,
    'vector-operands': vectorOperandsWgsl,
    'vector-epilogue': vectorEpilogueWgsl,
    'vector-load-a': vectorLoadAWgsl,
  };
  const tiling = vectorTile(launch.variant);
  if (tiling) {
    const tile = { ...tiling, PARTS: parts };
    return defineProgram({ name, template: vectorTiledWgsl, includes, params: { ...params, ...tile }, buffers });
  }
  if (launch.variant === 'broadcast') {
    const rows = broadcastRows(launch.m, subgroupSize);
    const tile = { SG: subgroupSize, SUBGROUPS: 1, ROWS: rows, LOADS: rows / subgroupSize };
    return defineProgram({ name, template: broadcastWgsl, includes, params: { ...params, ...tile }, buffers });
  }
  if (launch.variant !== 'tiled') {
    const units = { SG: subgroupSize };
    return defineProgram({ name, template: subgroupMatrixWgsl, includes, params: { ...params, ...units }, buffers });
  }
  const tile = { TM: 4, TN: 4 };
  return defineProgram({ name, template: tiledWgsl, includes, params: { ...params, ...tile }, buffers });
}

/** Records a matrix product. */
export function launchMatmul(runtime: Runtime, launch: MatmulLaunch): void {
  if (launch.variant !== 'vector-split') {
    launchProduct(runtime, launch, 1);
    return;
  }
  const { m, n, batch, activation: _, bias: _1, gate: _2, residual: _3, finalRelu: _4, ...product } = launch;
  const parts = splitParts(launch, runtime.adapterClass);
  const partial = runtime.allocate([batch * parts, m, n]);
  const whole = { m, n, batch, out: partial, outStride: n, outOffset: 0, outRow: 0, outBatch: m * n };
  launchProduct(runtime, { ...product, ...whole, activation: 'none', alpha: 1 }, parts);
  launchMerge(runtime, launch, partial, parts);
  partial.dispose();
}

/** Adds up the parts of a product, [batch * parts, M, N], and does what follows it. */
function launchMerge(runtime: Runtime, launch: MatmulLaunch, partial: TensorInfo, parts: number): void {
  const { bias, gate, residual, out, m, n, batch } = launch;
  const { params, buffers } = epilogue(launch, 1);
  runtime.launch({
    program: defineProgram({
      name: `${launch.conv ? 'conv2d' : 'gemm'}/split-merge`,
      template: splitMergeWgsl,
      includes: {
        activation: activationWgsl,
        'epilogue-bindings': epilogueBindingsWgsl,
        'vector-epilogue': vectorEpilogueWgsl,
      },
      params: { ELEMENT: 'vec4f', ...params },
      buffers,
    }),
    inputs: [partial, bias, gate, residual].filter((tensor) => tensor !== undefined),
    outputs: [out],
    uniforms: [
      m,
      n / 4,
      parts,
      launch.outStride / 4,
      launch.outOffset / 4,
      launch.outRow ?? 0,
      f32(launch.alpha),
      launch.outBatch / 4,
    ],
    workgroups: [...foldWorkgroups(Math.ceil((m * n) / 4 / 64)), batch],
  });
}

/** @param parts Workgroups that share the inner dimension, each of which writes a batch of its own. */
function launchProduct(runtime: Runtime, launch: MatmulLaunch, parts: number): void {
  const { a, b, bias, gate, residual, out, m, n, k, batch, conv } = launch;
  const { subgroupSize } = runtime.adapterClass;
  const inputs = [a, b, bias, gate, residual].filter((tensor) => tensor !== undefined);
  const broadcast = launch.variant === 'broadcast';
  // The kernels that read vectors of 4 count in them; their inner length is the channels of one tap.
  const tiling = vectorTile(launch.variant);
  const unit = readsVectors(launch.variant) ? 4 : 1;
  const inner = unit === 4 && conv ? k / (conv.kernelHeight * conv.kernelWidth) : k;
  const uniforms: UniformValue[] = [
    m,
    n / unit,
    inner / unit,
    (launch.bStride ?? n) / unit,
    launch.aStride / unit,
    launch.aOffset / unit,
    launch.outStride / unit,
    launch.outOffset / unit,
    launch.outRow ?? 0,
    f32(launch.alpha),
    launch.aBatch / unit,
    launch.bBatch / unit,
    launch.outBatch / unit,
  ];
  if (conv) {
    uniforms.push(conv.inHeight, conv.inWidth, conv.outWidth, conv.kernelHeight, conv.kernelWidth);
    uniforms.push(conv.stride, conv.dilation, conv.padTop, conv.padLeft);
  }
  const tile = tiling ? tileSize(tiling) : { rows: 64, columns: 64 };
  const workgroups: [number, number, number] = broadcast
    ? [Math.ceil(m / broadcastRows(m, subgroupSize)), Math.ceil(n / 4 / subgroupSize), batch]
    : [Math.ceil(m / tile.rows), Math.ceil(n / tile.columns), batch * parts];
  runtime.launch({ program: program(launch, subgroupSize, parts), inputs, outputs: [out], uniforms, workgroups });
}
