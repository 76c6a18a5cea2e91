import type { Tensor } from '@tensorflow/tfjs-core';
import {
  gridKernels,
  launchBroadcast,
  launchTiled,
  RELATIVE_KERNELS,
  relativeTerms,
  supportsBroadcast,
  supportsTiles,
} from '../../families/attention/index.js';
import { float32, number, record, type VariantOptions, variantOptions } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import { launchWindow, type WindowShape, windowKernel, windowWork } from './window.js';

/**
 * `direct`: an invocation owns a query. `broadcast`: a subgroup owns up to 14, `tiled`: a workgroup owns 64, see
 * `multiHeadAttention`.
 */
export type RelativeWindowAttentionVariant = 'direct' | 'broadcast' | 'tiled';

/** The geometry of a windowed attention with relative positions. */
export interface RelativeWindowShape {
  /** Size of the image in tokens. */
  height: number;
  width: number;
  /** Side of a window in tokens. */
  window: number;
  heads: number;
}

/** Tokens of a window below which the tiles of 64 queries and keys are mostly wasted. */
const MIN_TILED_TOKENS = 49;

/** As many queries of a subgroup as leave none over in a window of 14 x 14; twice as many compile three times as long. */
const BROADCAST_QUERIES = 14;

const { broadcast, tiled } = gridKernels('relative-window-attention', true);
const direct = windowKernel('relative-window-attention/direct', { RELATIVE: true, SG: 0, KEYS: 1 });

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
export const relativeWindowAttention = defineOp({
  name: 'relative-window-attention',
  takes: {
    qkv: float32,
    qkvBias: float32,
    rows: float32,
    columns: float32,
    shape: record<RelativeWindowShape>({ height: number, width: number, window: number, heads: number }),
    options: variantOptions,
  },
  kernels: [broadcast, tiled, direct, ...RELATIVE_KERNELS],
  supported: ({ headSize }: WindowShape, adapter) => {
    const variants: RelativeWindowAttentionVariant[] = ['direct'];
    if (supportsBroadcast(adapter)) variants.push('broadcast');
    if (supportsTiles(adapter, headSize)) variants.push('tiled');
    return variants;
  },
  select: ({ headSize, window }, adapter) => {
    if (adapter.kind === 'software') return supportsBroadcast(adapter) ? 'broadcast' : 'direct';
    return supportsTiles(adapter, headSize) && window ** 2 >= MIN_TILED_TOKENS ? 'tiled' : 'direct';
  },
  work: windowWork,
  run(
    call,
    qkv: Tensor,
    qkvBias: Tensor,
    rows: Tensor,
    columns: Tensor,
    shape: RelativeWindowShape,
    _options: VariantOptions<RelativeWindowAttentionVariant> = {},
  ): Tensor {
    const { height, width, window, heads } = shape;
    const { runtime } = call;
    const channels = (qkv.shape[1] ?? 0) / 3;
    const headSize = channels / heads;
    const operands = { qkv, qkvBias, rows, columns };
    if (qkv.rank !== 2 || qkv.shape[0] !== height * width || !(headSize > 0) || headSize % 4 !== 0) {
      throw call.wrong(`qkv of ${height} x ${width} tokens and ${heads} heads of a multiple of 4`, operands);
    }
    if (qkvBias.size !== 3 * channels) throw call.wrong(`a bias of ${3 * channels}`, operands);
    const vectors = (2 * window - 1) * headSize;
    if (rows.size !== vectors || columns.size !== vectors) {
      throw call.wrong(`tables of ${2 * window - 1} x ${headSize}`, operands);
    }
    const geometry = { height, width, window, shift: 0, heads, headSize };
    const variant = call.choose(geometry);
    const sides = [window, window] as const;
    const source = { query: qkv, queryColumn: 0, heads, headSize, height, width, sides, rows, columns };
    const relative = relativeTerms(runtime, { broadcast: variant === 'broadcast', ...source });
    const out = call.allocate([height * width, channels]);
    const tensors = { qkv, qkvBias, out };
    if (variant === 'direct') {
      launchWindow(runtime, direct, geometry, {
        params: {},
        tensors: { positions: relative.tensor, ...tensors },
        uniforms: { relativeStride: relative.stride, relativeColumns: relative.columns },
      });
    } else {
      const windowsX = Math.ceil(width / window);
      const windows = windowsX * Math.ceil(height / window);
      const [launch, kernel] = variant === 'broadcast' ? [launchBroadcast, broadcast] : [launchTiled, tiled];
      launch(runtime, kernel, {
        headSize,
        gridWidth: window,
        relative,
        broadcastQueries: BROADCAST_QUERIES,
        tensors,
        uniforms: {
          scale: 1 / Math.sqrt(headSize),
          gridHeight: window,
          gridWidth: window,
          height,
          width,
          windowsX,
          c4: channels / 4,
        },
        workgroups: (queries) => [windows, heads, Math.ceil((window * window) / queries)],
      });
    }
    relative.tensor.dispose();
    return out;
  },
});
