import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import type { Runtime } from '../../dispatch/runtime.js';
import { OPERANDS } from '../../families/attention/index.js';
import keysInRegistersWgsl from './keys-in-registers.wgsl';
import mergeWgsl from './merge.wgsl';
import splitKeysWgsl from './split-keys.wgsl';

/** Where all kernels find the rows of the operands: their length, first column and distance between batches, / 4. */
export type OperandUniforms = { readonly scale: number; readonly queries: number } & {
  readonly [Name in `${'query' | 'key' | 'value'}${'Stride4' | 'Offset4' | 'Batch4'}`]: number;
};

/** An attention without mask and relative terms, with everything resolved. */
interface PlainAttention {
  tensors: { query: TensorInfo; key: TensorInfo; value: TensorInfo };
  out: Tensor;
  batch: number;
  heads: number;
  headSize: number;
  queries: number;
  keys: number;
  uniforms: OperandUniforms;
}

/** Groups of queries that a subgroup takes one after the other, so that its keys are loaded once for all of them. */
const GROUPS = 8;
/** Keys of a part at least, and parts at most: merging them should cost nothing. */
const PART_KEYS = 32;
const MAX_PARTS = 64;

const keysInRegisters = defineKernel({
  name: 'multi-head-attention/keys-in-registers',
  template: keysInRegistersWgsl,
  includes: OPERANDS,
});
const split = defineKernel({ name: 'multi-head-attention/split-keys', template: splitKeysWgsl, includes: OPERANDS });
const merge = defineKernel({ name: 'multi-head-attention/merge', template: mergeWgsl });

/** The kernels that know neither masks nor relative terms: for few queries or few keys. */
export const PLAIN_KERNELS = [keysInRegisters, split, merge];

/** The kernel whose keys all lie in a subgroup's registers. */
export function launchKeysInRegisters(runtime: Runtime, attention: PlainAttention): void {
  const { tensors, out, batch, heads, headSize, queries, keys, uniforms } = attention;
  const { subgroupSize } = runtime.adapterClass;
  runtime.launch(keysInRegisters, {
    params: { SG: subgroupSize, HEAD4: headSize / 4, CHUNKS: Math.ceil(keys / subgroupSize) },
    tensors: { out, ...tensors },
    uniforms: { keys, groups: GROUPS, ...uniforms },
    workgroups: [Math.ceil(queries / (GROUPS * subgroupSize)), heads, batch],
  });
}

/** The kernels that take the keys in parts and merge what came of them. */
export function launchSplitKeys(runtime: Runtime, attention: PlainAttention): void {
  const { tensors, out, batch, heads, headSize, queries, keys, uniforms } = attention;
  const partKeys = Math.max(PART_KEYS, Math.ceil(keys / MAX_PARTS));
  const parts = Math.ceil(keys / partKeys);
  const head4 = headSize / 4;
  const partial = runtime.allocate([batch * heads * queries, parts, headSize + 4]);
  runtime.launch(split, {
    params: { HEAD4: head4 },
    tensors: { out: partial, ...tensors },
    uniforms: { keys, parts, partKeys, ...uniforms },
    workgroups: [Math.ceil((queries * parts) / 64), heads, batch],
  });
  const count = batch * heads * queries * head4;
  runtime.launch(merge, {
    tensors: { partial, out },
    uniforms: { count, queries, heads, head4, parts },
    invocations: count,
  });
  partial.dispose();
}
