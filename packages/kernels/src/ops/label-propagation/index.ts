import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { supportsBroadcast } from '../../families/attention/index.js';
import { WINDOW_INCLUDES } from '../../families/window/index.js';
import { fields, float32, listOf, number, record, type VariantOptions, variantOptions } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import scoresWgsl from './scores.wgsl';
import selectWgsl from './select.wgsl';

/**
 * How similarities are computed and how the best are found.
 * `broadcast`: tokens share what they load by shuffles, and an invocation picks for a token. `workgroup`: every invocation
 * loads for itself, which a GPU's caches make cheap, and 32 invocations pick for a token.
 */
export type LabelPropagationVariant = 'broadcast' | 'workgroup';

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

/** What the choice of a kernel depends on. */
interface LabelPropagationShape {
  tokens: number;
  /** In the windows of all frames. */
  positions: number;
  depth: number;
  /** Labels. */
  channels: number;
}

const kernelsOf = (variant: LabelPropagationVariant) => {
  const subgroup = variant === 'broadcast';
  return {
    scores: defineKernel({
      name: `label-propagation/scores-${variant}`,
      template: scoresWgsl,
      includes: WINDOW_INCLUDES,
      params: { SUBGROUP: subgroup },
    }),
    select: defineKernel({
      name: `label-propagation/select-${variant}`,
      template: selectWgsl,
      params: { SHARED: !subgroup, LANES: subgroup ? 1 : 32 },
    }),
  };
};
const kernels = { broadcast: kernelsOf('broadcast'), workgroup: kernelsOf('workgroup') };

/** Names and values of what each frame has one of: `radius0`, `radius1`, ... */
const numbered = <T, K extends keyof T & string>(name: K, frames: readonly T[]): Record<string, T[K]> =>
  Object.fromEntries(frames.map((frame, i) => [`${name}${i}`, frame[name]]));

/**
 * Labels of a frame's tokens from frames whose labels are known, without anything trained: of all positions in a window of
 * each of them, the `topK` with the highest cosine, weighted by the softmax of cosine / temperature. Label propagation as in
 * self-supervised correspondence learning (Jabri, Owens and Efros, "Space-Time Correspondence as a Contrastive Random
 * Walk", 2020, section 4.1). Nothing of size tokens x tokens is built.
 *
 * @returns float32 [T, L].
 * @throws ShapeError when the operands do not fit.
 */
export const labelPropagation = defineOp({
  name: 'label-propagation',
  takes: {
    input: fields<LabelPropagationInput>({
      height: number,
      width: number,
      query: float32,
      frames: listOf(record<PropagationFrame>({ key: float32, labels: float32, radius: number })),
      temperature: number,
      topK: number,
    }),
    options: variantOptions,
  },
  kernels: Object.values(kernels).flatMap((family) => Object.values(family)),
  supported: (_: LabelPropagationShape, adapter): readonly LabelPropagationVariant[] =>
    supportsBroadcast(adapter) ? ['broadcast', 'workgroup'] : ['workgroup'],
  select: (_, adapter) => (adapter.kind === 'software' && supportsBroadcast(adapter) ? 'broadcast' : 'workgroup'),
  work: ({ tokens, positions, depth, channels }) => ({
    flops: 2 * tokens * positions * depth,
    bytes: 4 * tokens * (2 * depth + positions + 2 * channels),
  }),
  run(call, input: LabelPropagationInput, _options: VariantOptions<LabelPropagationVariant> = {}): Tensor {
    const { height, width, query, frames, temperature, topK } = input;
    const tokens = height * width;
    const [, depth] = query.shape as [number, number];
    const channels = frames[0]?.labels.shape[1] ?? 0;
    if (frames.length < 1 || frames.length > MAX_PROPAGATION_FRAMES || topK < 1 || topK > MAX_TOP_K) {
      throw call.wrong(`1 to ${MAX_PROPAGATION_FRAMES} frames, topK 1 to ${MAX_TOP_K}`, { query });
    }
    if (query.shape[0] !== tokens || depth % 4 !== 0 || channels < 4 || channels % 4 !== 0) {
      const expected = `a query [${tokens}, C], labels [${tokens}, L], C and L multiples of 4`;
      throw call.wrong(expected, { query, labels: frames[0]!.labels });
    }
    for (const { key, labels } of frames) {
      const fits = key.shape[0] === tokens && key.shape[1] === depth;
      if (!fits || labels.shape[0] !== tokens || labels.shape[1] !== channels) {
        throw call.wrong(`keys [${tokens}, ${depth}], labels [${tokens}, ${channels}]`, { key, labels });
      }
    }
    const positions = frames.reduce((sum, { radius }) => sum + (2 * radius + 1) ** 2, 0);
    const variant = call.choose({ tokens, positions, depth, channels });
    const subgroup = variant === 'broadcast';
    const rowBlocks = Math.ceil(width / 8);
    const threads = subgroup ? call.adapter.subgroupSize : 32;

    let outStride = 0;
    const sections = frames.map(({ radius }) => {
      const side = 2 * radius + 1;
      const section = { radius, side, columns: 8 + side - 1, offset: outStride };
      outStride += side * section.columns;
      return section;
    });
    const scores = call.allocate([tokens, outStride]);
    for (const [f, { radius, side, columns, offset }] of sections.entries()) {
      call.launch(kernels[variant].scores, {
        params: { THREADS: threads, QUERY_LOADS: Math.ceil(8 / threads), PER_LANE: Math.ceil(columns / threads) },
        tensors: { query, key: frames[f]!.key, scores },
        uniforms: { width, height, rowBlocks, depth4: depth / 4, radius, columns, outStride, outOffset: offset },
        workgroups: [rowBlocks * height, side],
      });
    }

    const out = call.allocate([tokens, channels]);
    call.launch(kernels[variant].select, {
      params: { FRAMES: frames.length, TOP_K: topK },
      tensors: { scores, out, ...numbered('labels', frames) },
      uniforms: {
        width,
        height,
        scoreStride: outStride,
        channels4: channels / 4,
        inverseTemperature: 1 / temperature,
        ...numbered('radius', sections),
        ...numbered('columns', sections),
        ...numbered('offset', sections),
      },
      workgroups: subgroup ? Math.ceil(tokens / 32) : tokens,
    });
    scores.dispose();
    return out;
  },
});
