import type { Tensor } from '@tensorflow/tfjs-core';
import { type BufferAccess, defineProgram, f32 } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { ShapeError } from '../shape-error.js';
import scoresWgsl from './scores.wgsl';
import { type LabelPropagationVariant, selectLabelPropagation } from './select.js';
import selectWgsl from './select.wgsl';

export {
  type LabelPropagationVariant,
  selectLabelPropagation,
  supportedLabelPropagationVariants,
} from './select.js';

/** Most frames that `labelPropagation` looks at together: each is a storage buffer of one kernel. */
export const MAX_PROPAGATION_FRAMES = 6;
/** Most positions that `labelPropagation` averages. */
export const MAX_TOP_K = 16;

/** A frame whose labels are known. */
export interface PropagationFrame {
  /** Unit vectors of its tokens, float32 [T, C]. */
  key: Tensor;
  /** Labels of its tokens as shares, float32 [T, L]. */
  labels: Tensor;
  /** Positions up to this far away in either direction take part. */
  radius: number;
}

/** Operands of `labelPropagation`; T = height * width, row-major. */
export interface LabelPropagationInput {
  height: number;
  width: number;
  /** Unit vectors of the frame's tokens, float32 [T, C], C a multiple of 4. */
  query: Tensor;
  /** 1 to 6 frames. */
  frames: readonly PropagationFrame[];
  /** Of the softmax over the cosines. */
  temperature: number;
  /** How many of the most similar positions count, 1..16; all of them where a window has fewer. */
  topK: number;
}

/**
 * Labels of a frame's tokens from frames whose labels are known, without anything trained: of all positions in a window of
 * each of them, the `topK` with the highest cosine, weighted by the softmax of cosine / temperature. Label propagation as in
 * self-supervised correspondence learning (Jabri, Owens and Efros, "Space-Time Correspondence as a Contrastive Random
 * Walk", 2020, section 4.1). Nothing of size tokens x tokens is built.
 *
 * @returns float32 [T, L].
 * @throws ShapeError when the operands do not fit.
 */
export function labelPropagation(
  input: LabelPropagationInput,
  options: { variant?: LabelPropagationVariant } = {},
): Tensor {
  const { height, width, query, frames, temperature, topK } = input;
  const runtime = getRuntime();
  const tokens = height * width;
  const [, depth] = query.shape as [number, number];
  const channels = frames[0]?.labels.shape[1] ?? 0;
  if (frames.length < 1 || frames.length > MAX_PROPAGATION_FRAMES || topK < 1 || topK > MAX_TOP_K) {
    throw new ShapeError('labelPropagation', `1 to ${MAX_PROPAGATION_FRAMES} frames, topK 1 to ${MAX_TOP_K}`, {
      query,
    });
  }
  if (query.shape[0] !== tokens || depth % 4 !== 0 || channels < 4 || channels % 4 !== 0) {
    throw new ShapeError('labelPropagation', `a query [${tokens}, C], labels [${tokens}, L], C and L multiples of 4`, {
      query,
      labels: frames[0]!.labels,
    });
  }
  for (const { key, labels } of frames) {
    if (key.shape[0] !== tokens || key.shape[1] !== depth || labels.shape[0] !== tokens || labels.shape[1] !== channels)
      throw new ShapeError('labelPropagation', `keys [${tokens}, ${depth}], labels [${tokens}, ${channels}]`, {
        key,
        labels,
      });
  }
  const variant = options.variant ?? selectLabelPropagation(runtime.adapterClass);
  const subgroup = variant === 'subgroup';
  const rowBlocks = Math.ceil(width / 8);
  const threads = subgroup ? runtime.adapterClass.subgroupSize : 32;

  let stride = 0;
  const sections = frames.map(({ radius }) => {
    const side = 2 * radius + 1;
    const section = { radius, side, columns: 8 + side - 1, offset: stride };
    stride += side * section.columns;
    return section;
  });
  const scores = runtime.allocate([tokens, stride]);
  for (const [f, { radius, side, columns, offset }] of sections.entries()) {
    runtime.launch({
      program: defineProgram({
        name: `label-propagation/scores-${variant}`,
        template: scoresWgsl,
        params: {
          SUBGROUP: subgroup,
          THREADS: threads,
          QUERY_LOADS: Math.ceil(8 / threads),
          PER_LANE: Math.ceil(columns / threads),
        },
        buffers: ['read', 'read', 'write'],
      }),
      inputs: [query, frames[f]!.key],
      outputs: [scores],
      uniforms: [width, height, rowBlocks, depth / 4, radius, columns, stride, offset],
      workgroups: [rowBlocks * height, side],
    });
  }

  const out = runtime.allocate([tokens, channels]);
  runtime.launch({
    program: defineProgram({
      name: `label-propagation/select-${variant}`,
      template: selectWgsl,
      params: { SHARED: !subgroup, LANES: subgroup ? 1 : 32, FRAMES: frames.length, TOP_K: topK },
      buffers: ['read', ...frames.map((): BufferAccess => 'read'), 'write'],
    }),
    inputs: [scores, ...frames.map(({ labels }) => labels)],
    outputs: [out],
    uniforms: [
      width,
      height,
      stride,
      channels / 4,
      f32(1 / temperature),
      ...sections.flatMap(({ radius, columns, offset }) => [radius, columns, offset]),
    ],
    workgroups: foldWorkgroups(subgroup ? Math.ceil(tokens / 32) : tokens),
  });
  scores.dispose();
  return out;
}
