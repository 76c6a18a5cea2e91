import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram, f32, type UniformValue } from '../../dispatch/program.js';
import type { Runtime } from '../../dispatch/runtime.js';
import fewKeysWgsl from './few-keys.wgsl';
import mergeWgsl from './merge.wgsl';
import operandsWgsl from './operands.wgsl';
import splitWgsl from './split.wgsl';

/** An attention without mask and relative terms, with everything resolved. */
export interface PlainAttention {
  operands: readonly Tensor[];
  out: Tensor;
  batch: number;
  heads: number;
  headSize: number;
  queries: number;
  keys: number;
  scale: number;
  /** Row lengths, first columns and distances between batches of the operands, / 4. */
  geometry: readonly UniformValue[];
}

/** Groups of queries that a subgroup takes one after the other, so that its keys are loaded once for all of them. */
const GROUPS = 8;
/** Keys of a part at least, and parts at most: merging them should cost nothing. */
const PART_KEYS = 32;
const MAX_PARTS = 64;

/** The kernel whose keys all lie in a subgroup's registers. */
export function launchFewKeys(runtime: Runtime, attention: PlainAttention): void {
  const { operands, out, batch, heads, headSize, queries, keys, scale, geometry } = attention;
  const { subgroupSize } = runtime.adapterClass;
  runtime.launch({
    program: defineProgram({
      name: 'multi-head-attention/few-keys',
      template: fewKeysWgsl,
      includes: { operands: operandsWgsl },
      params: { SG: subgroupSize, HEAD4: headSize / 4, CHUNKS: Math.ceil(keys / subgroupSize) },
      buffers: ['read', 'read', 'read', 'write'],
    }),
    inputs: operands,
    outputs: [out],
    uniforms: [f32(scale), queries, keys, GROUPS, ...geometry],
    workgroups: [Math.ceil(queries / (GROUPS * subgroupSize)), heads, batch],
  });
}

/** The kernels that take the keys in parts and merge what came of them. */
export function launchSplit(runtime: Runtime, attention: PlainAttention): void {
  const { operands, out, batch, heads, headSize, queries, keys, scale, geometry } = attention;
  const partKeys = Math.max(PART_KEYS, Math.ceil(keys / MAX_PARTS));
  const parts = Math.ceil(keys / partKeys);
  const head4 = headSize / 4;
  const partial = runtime.allocate([batch * heads * queries, parts, headSize + 4]);
  runtime.launch({
    program: defineProgram({
      name: 'multi-head-attention/split',
      template: splitWgsl,
      includes: { operands: operandsWgsl },
      params: { HEAD4: head4 },
      buffers: ['read', 'read', 'read', 'write'],
    }),
    inputs: operands,
    outputs: [partial],
    uniforms: [f32(scale), queries, keys, parts, partKeys, ...geometry],
    workgroups: [Math.ceil((queries * parts) / 64), heads, batch],
  });
  const count = batch * heads * queries * head4;
  runtime.launch({
    program: defineProgram({
      name: 'multi-head-attention/merge',
      template: mergeWgsl,
      buffers: ['read', 'write'],
    }),
    inputs: [partial],
    outputs: [out],
    uniforms: [count, queries, heads, head4, parts],
    workgroups: [Math.ceil(count / 64)],
  });
  partial.dispose();
}
