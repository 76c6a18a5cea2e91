import type { Tensor } from '@tensorflow/tfjs-core';
import type { AdapterClass } from '../../device/adapter.js';
import { defineProgram, f32 } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import type { TunedOp } from '../../tuning/tuned-op.js';
import { flashProgram, flashTile } from '../multi-head-attention/flash.js';
import { relativeTerms } from '../multi-head-attention/relative.js';
import { supportsBroadcast, supportsTiles } from '../multi-head-attention/select.js';
import { tiledProgram } from '../multi-head-attention/tiled.js';
import { ShapeError } from '../shape-error.js';
import { RELATIVE_WINDOW_SOURCES, type TunedWindowShape, windowAttentionWork } from './tuning.js';
import windowWgsl from './window.wgsl';

/**
 * `direct`: an invocation owns a query. `broadcast`: a subgroup owns up to 14, `tiled`: a workgroup owns 64, see
 * `multiHeadAttention`.
 */
export type RelativeWindowAttentionVariant = 'direct' | 'broadcast' | 'tiled';

/** What the choice of a kernel depends on. */
export interface RelativeWindowSize {
  /** Side of a window in tokens. */
  window: number;
  headSize: number;
}

/** The kernels that can run on an adapter. */
export function supportedRelativeWindowAttentionVariants(
  adapter: AdapterClass,
  { headSize }: RelativeWindowSize,
): RelativeWindowAttentionVariant[] {
  const variants: RelativeWindowAttentionVariant[] = ['direct'];
  if (supportsBroadcast(adapter)) variants.push('broadcast');
  if (supportsTiles(adapter, headSize)) variants.push('tiled');
  return variants;
}

/** Tokens of a window below which the tiles of 64 queries and keys are mostly wasted. */
const MIN_TILED_TOKENS = 49;

/** The kernel to use. */
export function selectRelativeWindowAttention(
  adapter: AdapterClass,
  size: RelativeWindowSize,
): RelativeWindowAttentionVariant {
  const supported = supportedRelativeWindowAttentionVariants(adapter, size);
  if (adapter.kind === 'software') return supported.includes('broadcast') ? 'broadcast' : 'direct';
  return supported.includes('tiled') && size.window ** 2 >= MIN_TILED_TOKENS ? 'tiled' : 'direct';
}

export const tunedRelativeWindowAttention: TunedOp<TunedWindowShape, RelativeWindowAttentionVariant> = {
  name: 'relative-window-attention',
  sources: RELATIVE_WINDOW_SOURCES,
  variants: (shape, adapter) => supportedRelativeWindowAttentionVariants(adapter, shape),
  select: (shape, adapter) => selectRelativeWindowAttention(adapter, shape),
  work: windowAttentionWork,
};

/** The geometry of a windowed attention with relative positions. */
export interface RelativeWindowShape {
  /** Size of the image in tokens. */
  height: number;
  width: number;
  /** Side of a window in tokens. */
  window: number;
  heads: number;
}

/** Options of `relativeWindowAttention`. */
export interface RelativeWindowAttentionOptions {
  /** Forces a kernel; for tests and benchmarks. */
  variant?: RelativeWindowAttentionVariant;
}

/**
 * Multi-head self-attention within square windows with decomposed relative positions, as in the image encoder of Segment
 * Anything (`Block` and `add_decomposed_rel_pos` of its `image_encoder.py`; Li et al., "Exploring Plain Vision Transformer
 * Backbones for Object Detection", 2022): scaled dot products, plus `query . rows[y_q - y_k + window - 1] + query .
 * columns[x_q - x_k + window - 1]` with the query not scaled. The image is completed with tokens to whole windows at the
 * right and at the bottom; these take part, with the bias of the projection as their key and value, and give no output.
 *
 * @param qkv float32 [height * width, 3 C], `query | key | value` with C = heads * head size, a multiple of 4.
 * @param qkvBias float32 [3 C], what the projection gives for a token of zeros.
 * @param rows float32 [2 window - 1, head size], shared by the heads.
 * @param columns float32 [2 window - 1, head size].
 * @returns float32 [height * width, C].
 * @throws ShapeError when the operands do not fit.
 */
export function relativeWindowAttention(
  qkv: Tensor,
  qkvBias: Tensor,
  rows: Tensor,
  columns: Tensor,
  shape: RelativeWindowShape,
  options: RelativeWindowAttentionOptions = {},
): Tensor {
  const { height, width, window, heads } = shape;
  const runtime = getRuntime();
  const channels = (qkv.shape[1] ?? 0) / 3;
  const headSize = channels / heads;
  const expect = (holds: boolean, expected: string) => {
    if (!holds) throw new ShapeError('relativeWindowAttention', expected, { qkv, qkvBias, rows, columns });
  };
  expect(
    qkv.rank === 2 && qkv.shape[0] === height * width && headSize > 0 && headSize % 4 === 0,
    `qkv of ${height} x ${width} tokens and ${heads} heads of a multiple of 4`,
  );
  expect(qkvBias.size === 3 * channels, `a bias of ${3 * channels}`);
  const vectors = (2 * window - 1) * headSize;
  expect(rows.size === vectors && columns.size === vectors, `tables of ${2 * window - 1} x ${headSize}`);

  const tuned = { height, width, window, shift: 0, heads, headSize };
  const args: Parameters<typeof relativeWindowAttention> = [qkv, qkvBias, rows, columns, shape, options];
  const variant =
    options.variant ?? runtime.chooser.choose(tunedRelativeWindowAttention, tuned, relativeWindowAttention, args);
  const terms = relativeTerms({
    query: qkv,
    queryColumn: 0,
    heads,
    headSize,
    height,
    width,
    sides: [window, window],
    rows,
    columns,
    subgroupSize: variant === 'broadcast' ? runtime.adapterClass.subgroupSize : 0,
  });
  const out = runtime.allocate([height * width, channels]);
  const windowsX = Math.ceil(width / window);
  const windows = windowsX * Math.ceil(height / window);
  const name = `relative-window-attention/${variant}`;
  const scale = f32(1 / Math.sqrt(headSize));
  const inputs = [qkv, qkvBias, terms.tensor];
  if (variant === 'broadcast') {
    const { subgroupSize } = runtime.adapterClass;
    // As many queries as leave none over in a window of 14 x 14; twice as many compile three times as long.
    const queries = 14;
    const form = { subgroupSize, headSize, rows: queries, gridWidth: window };
    const tile = flashTile(window, subgroupSize);
    runtime.launch({
      program: flashProgram({ name, ...form, mask: false, relative: true, window: true }),
      inputs,
      outputs: [out],
      uniforms: [
        headSize / 4,
        subgroupSize,
        scale,
        window,
        window,
        terms.stride / 4,
        terms.columns / 4,
        tile.slotWidth / 4,
        tile.slotHeight,
        height,
        width,
        windowsX,
        channels / 4,
      ],
      workgroups: [windows, heads, Math.ceil((window * window) / queries)],
    });
  } else if (variant === 'tiled') {
    const { maxWorkgroupBytes } = runtime.adapterClass;
    const form = { headSize, gridWidth: window, mask: false, relative: true, window: true, maxWorkgroupBytes };
    runtime.launch({
      program: tiledProgram({ name, ...form }),
      inputs,
      outputs: [out],
      uniforms: [scale, window, window, terms.stride, terms.columns, height, width, windowsX, channels / 4],
      workgroups: [windows, heads, Math.ceil((window * window) / 64)],
    });
  } else {
    runtime.launch({
      program: defineProgram({
        name,
        template: windowWgsl,
        params: { HEAD4: headSize / 4, SG: 0, KEYS: 1, RELATIVE: true },
        buffers: ['read', 'read', 'read', 'write'],
      }),
      inputs,
      outputs: [out],
      uniforms: [
        height,
        width,
        windowsX,
        Math.ceil(height / window) * window,
        windowsX * window,
        window,
        0,
        channels / 4,
        scale,
        terms.stride,
        terms.columns,
      ],
      workgroups: [windows, heads, Math.ceil((window * window) / 64)],
    });
  }
  terms.tensor.dispose();
  return out;
}
