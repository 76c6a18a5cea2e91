import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import type { Runtime } from '../../dispatch/runtime.js';
import relativeWgsl from './relative.wgsl';
import relativeBroadcastWgsl from './relative-broadcast.wgsl';

/** Where the terms of an image of tokens are computed from. */
interface RelativeTermsInput {
  /** float32 [T, *] or [batch, T, *] with T = height * width; its channels are the heads side by side. */
  query: Tensor;
  queryColumn: number;
  heads: number;
  headSize: number;
  /** Size of the image of tokens. */
  height: number;
  width: number;
  /** Sides of the windows that the image is cut into; those of the image where it is not. */
  sides: readonly [y: number, x: number];
  /** float32 [2 side - 1, head size] of each axis. */
  rows: Tensor;
  columns: Tensor;
  /** Whether subgroups shuffle. */
  broadcast: boolean;
}

/** Queries that a subgroup owns. */
const ROWS = 16;

const direct = defineKernel({ name: 'attention/relative-terms', template: relativeWgsl });
const broadcast = defineKernel({
  name: 'attention/relative-terms-broadcast',
  template: relativeBroadcastWgsl,
  params: { ROWS },
});

/** The kernels of `relativeTerms`. */
export const RELATIVE_KERNELS = [direct, broadcast];

/** Products of every query with the relative position vectors that it meets. */
export interface RelativeTerms {
  /** float32 [batch * T, heads, terms]: a term for each row of the window, then for each column, each rounded up to 4. */
  tensor: Tensor;
  /** Terms of a query and head, and where those of the columns begin. */
  stride: number;
  columns: number;
}

/** Computes the terms of decomposed relative positions; the caller disposes the tensor. */
export function relativeTerms(runtime: Runtime, input: RelativeTermsInput): RelativeTerms {
  const { query, heads, headSize, height, width, sides, rows, columns } = input;
  const { subgroupSize } = runtime.adapterClass;
  const [sideY, sideX] = sides;
  const [rows4, columns4] = [Math.ceil(sideY / 4), Math.ceil(sideX / 4)];
  const terms4 = rows4 + columns4;
  const batch = query.rank === 3 ? query.shape[0]! : 1;
  const queryStride4 = query.shape.at(-1)! / 4;
  const out = runtime.allocate([batch * height * width, heads, 4 * terms4]);
  const tensors = { query, rows, columns, out };
  const uniforms = {
    height,
    width,
    sideY,
    sideX,
    heads,
    head4: headSize / 4,
    queryStride4,
    queryOffset4: input.queryColumn / 4,
    queryBatch4: height * width * queryStride4,
    rows4,
    terms4,
  };
  if (input.broadcast) {
    const units = (lines: number, length: number, terms: number) =>
      lines * Math.ceil(length / ROWS) * Math.ceil(terms / subgroupSize);
    const rowUnits = units(height, width, rows4);
    runtime.launch(broadcast, {
      params: { SG: subgroupSize, LOADS: Math.ceil(ROWS / subgroupSize) },
      tensors,
      uniforms: { rowUnits, ...uniforms },
      workgroups: [rowUnits + units(width, height, columns4), heads, batch],
    });
  } else {
    const invocations = batch * height * width * heads * terms4;
    runtime.launch(direct, { tensors, uniforms: { batch, ...uniforms }, invocations });
  }
  return { tensor: out, stride: 4 * terms4, columns: 4 * rows4 };
}
