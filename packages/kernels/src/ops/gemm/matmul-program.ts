import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type BufferAccess, defineProgram, f32, type Program, type UniformValue } from '../../dispatch/program.js';
import type { Runtime } from '../../dispatch/runtime.js';
import activationWgsl from './activation.wgsl';
import bindingsWgsl from './bindings.wgsl';
import broadcastWgsl from './broadcast.wgsl';
import convGeometryWgsl from './conv-geometry.wgsl';
import epilogueWgsl from './epilogue.wgsl';
import operandsWgsl from './operands.wgsl';
import { type GemmVariant, isVectorTiled, tileSize, VECTOR_TILES } from './select.js';
import subgroupMatrixWgsl from './subgroup-matrix.wgsl';
import tiledWgsl from './tiled.wgsl';
import vectorEpilogueWgsl from './vector-epilogue.wgsl';
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
 * fewer workgroups, so small products get fewer.
 */
const broadcastRows = (m: number, subgroupSize: number): number => Math.max(m >= 256 ? 32 : 16, subgroupSize);

/** Whether a kernel reads and counts in vectors of 4. */
const readsVectors = (variant: GemmVariant): boolean => variant === 'broadcast' || isVectorTiled(variant);

function program(launch: MatmulLaunch, subgroupSize: number): Program {
  const buffers: BufferAccess[] = ['read', 'read'];
  const binding = (present: boolean) => (present ? buffers.push('read') - 1 : -1);
  const half = launch.b.dtype === 'int32';
  const vectors = readsVectors(launch.variant);
  const params = {
    CONV: launch.conv !== undefined,
    B_HALF: half,
    ELEMENT: vectors ? 'vec4f' : 'f32',
    B_ELEMENT: half ? (vectors ? 'vec2u' : 'u32') : vectors ? 'vec4f' : 'f32',
    BIAS: launch.bias !== undefined,
    GATE: launch.gate !== undefined,
    RESIDUAL: launch.residual !== undefined,
    FINAL_RELU: launch.finalRelu ?? false,
    ACTIVATION: launch.activation,
    BIAS_BINDING: binding(launch.bias !== undefined),
    GATE_BINDING: binding(launch.gate !== undefined),
    RESIDUAL_BINDING: binding(launch.residual !== undefined),
    OUT_BINDING: buffers.push('write') - 1,
    PARAMS_BINDING: buffers.length,
  };
  const name = `${launch.conv ? 'conv2d' : 'gemm'}/${launch.variant}`;
  const includes = {
    activation: activationWgsl,
    bindings: bindingsWgsl,
    'conv-geometry': convGeometryWgsl,
    operands: operandsWgsl,
    epilogue: epilogueWgsl,
    'vector-operands': vectorOperandsWgsl,
    'vector-epilogue': vectorEpilogueWgsl,
  };
  if (isVectorTiled(launch.variant)) {
    const tile = { ...VECTOR_TILES[launch.variant] };
    return defineProgram({ name, template: vectorTiledWgsl, includes, params: { ...params, ...tile }, buffers });
  }
  if (launch.variant === 'broadcast') {
    const rows = broadcastRows(launch.m, subgroupSize);
    const tile = { SG: subgroupSize, SUBGROUPS: 1, ROWS: rows, LOADS: rows / subgroupSize };
    return defineProgram({ name, template: broadcastWgsl, includes, params: { ...params, ...tile }, buffers });
  }
  if (launch.variant === 'subgroup-matrix') {
    return defineProgram({
      name,
      template: subgroupMatrixWgsl,
      includes,
      params: { ...params, SG: subgroupSize },
      buffers,
    });
  }
  const tile = { TM: 4, TN: 4 };
  return defineProgram({ name, template: tiledWgsl, includes, params: { ...params, ...tile }, buffers });
}

/** Records a matrix product. */
export function launchMatmul(runtime: Runtime, launch: MatmulLaunch): void {
  const { a, b, bias, gate, residual, out, m, n, k, batch, conv } = launch;
  const { subgroupSize } = runtime.adapterClass;
  const inputs = [a, b, bias, gate, residual].filter((tensor) => tensor !== undefined);
  const broadcast = launch.variant === 'broadcast';
  // The kernels that read vectors of 4 count in them; their inner length is the channels of one tap.
  const vectorTile = isVectorTiled(launch.variant) ? VECTOR_TILES[launch.variant] : undefined;
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
  const tile = vectorTile ? tileSize(vectorTile) : { rows: 64, columns: 64 };
  const workgroups: [number, number, number] = broadcast
    ? [Math.ceil(m / broadcastRows(m, subgroupSize)), Math.ceil(n / 4 / subgroupSize), batch]
    : [Math.ceil(m / tile.rows), Math.ceil(n / tile.columns), batch];
  runtime.launch({ program: program(launch, subgroupSize), inputs, outputs: [out], uniforms, workgroups });
}
