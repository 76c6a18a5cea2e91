import { defineKernel, type Kernel, type KernelTensors, type KernelUniforms } from '../../dispatch/kernel.js';
import type { Runtime } from '../../dispatch/runtime.js';
import broadcastWgsl from './broadcast.wgsl';
import operandsWgsl from './operands.wgsl';
import paramsWgsl from './params.wgsl';
import type { RelativeTerms } from './relative-terms.js';
import tiledWgsl from './tiled.wgsl';
import { attentionTile, gridTile } from './tiles.js';

/** For the kernels of attentions whose operands are matrices. */
export const OPERANDS = { params: paramsWgsl, operands: operandsWgsl };

/**
 * Kernels of an attention whose keys are the positions of a grid. `broadcast`: a subgroup owns a few queries and takes the keys in
 * tiles, two matrix products in registers. `tiled`: a workgroup owns 64 queries and takes the keys in tiles out of workgroup memory.
 */
export interface GridKernels {
  readonly broadcast: Kernel;
  readonly tiled: Kernel;
}

/**
 * Declares the kernels of an operation.
 * @param window Keys are those of a window of an image: query, key and value are one operand, the bias of their projection another.
 */
export function gridKernels(op: string, window: boolean): GridKernels {
  const shared = { includes: OPERANDS, params: { WINDOW: window }, optional: ['mask', 'relative'] };
  return {
    broadcast: defineKernel({ name: `${op}/broadcast`, template: broadcastWgsl, ...shared }),
    tiled: defineKernel({ name: `${op}/tiled`, template: tiledWgsl, ...shared }),
  };
}

/** An attention over a grid with everything resolved. */
export interface GridAttention {
  readonly headSize: number;
  /** Width of the grid of keys; their number where they are no grid. */
  readonly gridWidth: number;
  readonly relative?: RelativeTerms;
  /** Queries that a subgroup of `broadcast` owns. */
  readonly broadcastQueries: number;
  readonly tensors: KernelTensors;
  /** `scale` of the dot products, `gridHeight` and `gridWidth` of the keys, and the geometry of the operands. */
  readonly uniforms: KernelUniforms;
  /** Workgroups, where each owns so many queries. */
  readonly workgroups: (queries: number) => readonly [x: number, y: number, z: number];
}

/** Queries of a workgroup of the other kernels. */
const WORKGROUP_QUERIES = 64;

/** Records the kernel in whose registers a subgroup holds queries. */
export function launchBroadcast(runtime: Runtime, kernel: Kernel, attention: GridAttention): void {
  const { headSize, gridWidth, relative, broadcastQueries } = attention;
  const { subgroupSize } = runtime.adapterClass;
  const head4 = headSize / 4;
  // 4 keys a lane.
  const { slotWidth, slotHeight } = gridTile(gridWidth, 4 * subgroupSize);
  runtime.launch(kernel, {
    params: {
      SG: subgroupSize,
      LOG_SG: Math.log2(subgroupSize),
      HEAD4: head4,
      PARTS: Math.ceil(head4 / subgroupSize),
      ROWS: broadcastQueries,
      LOADS: Math.ceil(broadcastQueries / subgroupSize),
      SLOT_WIDTH: slotWidth,
      SLOT_HEIGHT: slotHeight,
    },
    tensors: { relative: relative?.tensor, ...attention.tensors },
    uniforms: {
      head4,
      lanes: subgroupSize,
      relativeStride4: relative && relative.stride / 4,
      relativeColumns4: relative && relative.columns / 4,
      slotColumns4: relative && slotWidth / 4,
      slotRows: relative && slotHeight,
      ...attention.uniforms,
    },
    workgroups: attention.workgroups(broadcastQueries),
  });
}

/** Records the kernel that takes keys out of workgroup memory; `supportsTiles` must hold. */
export function launchTiled(runtime: Runtime, kernel: Kernel, attention: GridAttention): void {
  const { headSize, gridWidth } = attention;
  const { maxWorkgroupBytes } = runtime.adapterClass;
  const { keys, keyVectors, stride, swizzle, holdQueries } = attentionTile(headSize, maxWorkgroupBytes)!;
  const head4 = headSize / 4;
  const slots = 16 * keys;
  const vectors = slots * head4;
  const { slotWidth, slotHeight } = gridTile(gridWidth, slots);
  launchWorkgroups(runtime, kernel, attention, {
    HEAD4: head4,
    TN: keys,
    K_VECTORS: keyVectors,
    STRIDE: stride,
    SWIZZLE: swizzle,
    HOLD_QUERIES: holdQueries,
    COLUMNS: Math.ceil(head4 / 16),
    LOADS: Math.ceil(vectors / 256),
    REST: vectors % 256 > 0,
    SLOT_WIDTH: slotWidth,
    SLOT_HEIGHT: slotHeight,
  });
}

/** Records a kernel whose workgroups own 64 queries. */
export function launchWorkgroups(
  runtime: Runtime,
  kernel: Kernel,
  attention: GridAttention,
  params: Readonly<Record<string, number | boolean>>,
): void {
  const { relative } = attention;
  runtime.launch(kernel, {
    params,
    tensors: { relative: relative?.tensor, ...attention.tensors },
    uniforms: {
      relativeStride: relative?.stride,
      relativeColumns: relative?.columns,
      ...attention.uniforms,
    },
    workgroups: attention.workgroups(WORKGROUP_QUERIES),
  });
}
