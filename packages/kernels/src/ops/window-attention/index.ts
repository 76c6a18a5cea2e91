import type { Tensor } from '@tensorflow/tfjs-core';
import { float32, number, record, type VariantOptions, variantOptions } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import { launchWindow, type WindowShape, windowKernel, windowWork } from './window.js';

export {
  type RelativeWindowAttentionVariant,
  type RelativeWindowShape,
  relativeWindowAttention,
} from './relative.js';

/** `direct`: each invocation loads every key. `broadcast`: a subgroup loads as many keys as it has lanes and passes them on. */
export type WindowAttentionVariant = 'direct' | 'broadcast';

/** The geometry of a windowed attention. */
export interface WindowAttentionShape {
  /** Size of the image in tokens. */
  height: number;
  width: number;
  /** Side of a window in tokens. */
  window: number;
  /** Tokens by which the windows are moved down and right, less than `window`; 0 for plain windows. */
  shift: number;
  heads: number;
}

const kernels = {
  direct: windowKernel('window-attention/direct', { RELATIVE: false, SG: 0, KEYS: 1 }),
  broadcast: windowKernel('window-attention/broadcast', { RELATIVE: false }),
};

/**
 * Multi-head self-attention within square windows, as in Swin Transformer (Liu et al., 2021): scaled dot products, a
 * relative position bias, and with shifted windows -100 between tokens that are no neighbours in the image. The image is
 * completed with tokens to whole windows at the right and at the bottom; these take part, with nothing but the bias of the
 * projection as their query, key and value, and give no output. Shifting is cyclic.
 *
 * @param qkv float32 [height * width, 3 C], `query | key | value` with C = heads * head size; heads of 16, 24, 32 or 64.
 * @param qkvBias float32 [3 C], what the projection gives for a token of zeros.
 * @param biasTable float32 [(2 window - 1)^2, heads], at (dy + window - 1) * (2 window - 1) + dx + window - 1 for a query that
 *   lies (dy, dx) below and right of the key.
 * @returns float32 [height * width, C].
 * @throws ShapeError when the operands do not fit.
 */
export const windowAttention = defineOp({
  name: 'window-attention',
  takes: {
    qkv: float32,
    qkvBias: float32,
    biasTable: float32,
    shape: record<WindowAttentionShape>({
      height: number,
      width: number,
      window: number,
      shift: number,
      heads: number,
    }),
    options: variantOptions,
  },
  kernels: Object.values(kernels),
  supported: (_: WindowShape, { subgroupSize }): readonly WindowAttentionVariant[] =>
    subgroupSize > 0 && 64 % subgroupSize === 0 ? ['direct', 'broadcast'] : ['direct'],
  // A GPU serves loads of the same address by a whole subgroup at the price of one; a software rasteriser pays for each lane,
  // and little for a shuffle.
  select: (_, { kind, subgroupSize }) =>
    kind === 'software' && subgroupSize > 0 && 64 % subgroupSize === 0 ? 'broadcast' : 'direct',
  work: windowWork,
  run(
    call,
    qkv: Tensor,
    qkvBias: Tensor,
    biasTable: Tensor,
    shape: WindowAttentionShape,
    _options: VariantOptions<WindowAttentionVariant> = {},
  ): Tensor {
    const { height, width, window, shift, heads } = shape;
    const channels = (qkv.shape[1] ?? 0) / 3;
    const headSize = channels / heads;
    if (qkv.rank !== 2 || qkv.shape[0] !== height * width || ![16, 24, 32, 64].includes(headSize)) {
      throw call.wrong(`qkv of ${height} x ${width} tokens and ${heads} heads of 16, 24, 32 or 64`, { qkv });
    }
    const distances = (2 * window - 1) ** 2;
    if (qkvBias.size !== 3 * channels || biasTable.size !== distances * heads) {
      throw call.wrong(`a bias of ${3 * channels} and a table of ${distances} x ${heads}`, { qkvBias, biasTable });
    }
    if (!(shift >= 0 && shift < window)) throw call.wrong(`a shift from 0 to ${window - 1}, not ${shift},`, { qkv });
    const out = call.allocate([height * width, channels]);
    const geometry = { height, width, window, shift, heads, headSize };
    const variant = call.choose(geometry);
    const { subgroupSize } = call.adapter;
    launchWindow(call.runtime, kernels[variant], geometry, {
      params: variant === 'broadcast' ? { SG: subgroupSize, KEYS: subgroupSize } : {},
      tensors: { qkv, qkvBias, positions: biasTable, out },
    });
    return out;
  },
});
