import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import relativeWgsl from './relative.wgsl';
import relativeBroadcastWgsl from './relative-broadcast.wgsl';

/** Where the terms of an image of tokens are computed from. */
export interface RelativeTermsInput {
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
  /** Lanes of a subgroup, for the kernel that shuffles; 0 for the one that does not. */
  subgroupSize: number;
}

/** Queries that a subgroup owns. */
const ROWS = 16;

/** Products of every query with the relative position vectors that it meets. */
export interface RelativeTerms {
  /** float32 [batch * T, heads, terms]: a term for each row of the window, then for each column, each rounded up to 4. */
  tensor: Tensor;
  /** Terms of a query and head, and where those of the columns begin. */
  stride: number;
  columns: number;
}

/** Computes the terms of decomposed relative positions; the caller disposes the tensor. */
export function relativeTerms(input: RelativeTermsInput): RelativeTerms {
  const { query, heads, headSize, height, width, sides, rows, columns, subgroupSize } = input;
  const runtime = getRuntime();
  const [rows4, columns4] = [Math.ceil(sides[0] / 4), Math.ceil(sides[1] / 4)];
  const terms4 = rows4 + columns4;
  const batch = query.rank === 3 ? query.shape[0]! : 1;
  const queryStride4 = query.shape.at(-1)! / 4;
  const tensor = runtime.allocate([batch * height * width, heads, 4 * terms4]);
  const buffers = ['read', 'read', 'read', 'write'] as const;
  const inputs = [query, rows, columns];
  const outputs = [tensor];
  const operand = [queryStride4, input.queryColumn / 4, height * width * queryStride4];
  if (subgroupSize > 0) {
    const units = (lines: number, length: number, terms: number) =>
      lines * Math.ceil(length / ROWS) * Math.ceil(terms / subgroupSize);
    const rowUnits = units(height, width, rows4);
    const params = { SG: subgroupSize, ROWS, LOADS: Math.ceil(ROWS / subgroupSize) };
    runtime.launch({
      program: defineProgram({
        name: 'multi-head-attention/relative-broadcast',
        template: relativeBroadcastWgsl,
        params,
        buffers,
      }),
      inputs,
      outputs,
      uniforms: [height, width, ...sides, heads, headSize / 4, ...operand, rows4, terms4, rowUnits],
      workgroups: [rowUnits + units(width, height, columns4), heads, batch],
    });
  } else {
    runtime.launch({
      program: defineProgram({ name: 'multi-head-attention/relative', template: relativeWgsl, buffers }),
      inputs,
      outputs,
      uniforms: [height, width, ...sides, heads, headSize / 4, batch, ...operand, rows4, terms4],
      workgroups: foldWorkgroups(Math.ceil((batch * height * width * heads * terms4) / 64)),
    });
  }
  return { tensor, stride: 4 * terms4, columns: 4 * rows4 };
}
