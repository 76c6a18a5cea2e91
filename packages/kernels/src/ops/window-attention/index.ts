import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram, f32 } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { ShapeError } from '../shape-error.js';
import type { WindowAttentionVariant } from './select.js';
import { tunedWindowAttention } from './tuning.js';
import windowWgsl from './window.wgsl';

export {
  type RelativeWindowAttentionOptions,
  type RelativeWindowAttentionVariant,
  type RelativeWindowShape,
  relativeWindowAttention,
  selectRelativeWindowAttention,
  supportedRelativeWindowAttentionVariants,
} from './relative.js';
export {
  selectWindowAttention,
  supportedWindowAttentionVariants,
  type WindowAttentionVariant,
} from './select.js';

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

/** Options of `windowAttention`. */
export interface WindowAttentionOptions {
  /** Forces a kernel; for tests and benchmarks. */
  variant?: WindowAttentionVariant;
}

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
export function windowAttention(
  qkv: Tensor,
  qkvBias: Tensor,
  biasTable: Tensor,
  shape: WindowAttentionShape,
  options: WindowAttentionOptions = {},
): Tensor {
  const { height, width, window, shift, heads } = shape;
  const runtime = getRuntime();
  const channels = (qkv.shape[1] ?? 0) / 3;
  const headSize = channels / heads;
  if (qkv.rank !== 2 || qkv.shape[0] !== height * width || ![16, 24, 32, 64].includes(headSize)) {
    throw new ShapeError(
      'windowAttention',
      `qkv of ${height} x ${width} tokens and ${heads} heads of 16, 24, 32 or 64`,
      {
        qkv,
      },
    );
  }
  if (qkvBias.size !== 3 * channels || biasTable.size !== (2 * window - 1) ** 2 * heads) {
    throw new ShapeError(
      'windowAttention',
      `a bias of ${3 * channels} and a table of ${(2 * window - 1) ** 2} x ${heads}`,
      {
        qkvBias,
        biasTable,
      },
    );
  }
  if (!(shift >= 0 && shift < window)) {
    throw new ShapeError('windowAttention', `a shift from 0 to ${window - 1}, not ${shift},`, { qkv });
  }
  const out = runtime.allocate([height * width, channels]);
  const windowsX = Math.ceil(width / window);
  const windowsY = Math.ceil(height / window);
  const { adapterClass } = runtime;
  const tuned = { height, width, window, shift, heads, headSize };
  const variant =
    options.variant ??
    runtime.chooser.choose(tunedWindowAttention, tuned, windowAttention, [qkv, qkvBias, biasTable, shape, options]);
  const subgroup = variant === 'shuffle' ? adapterClass.subgroupSize : 0;
  runtime.launch({
    program: defineProgram({
      name: `window-attention/${variant}`,
      template: windowWgsl,
      params: { HEAD4: headSize / 4, SG: subgroup, KEYS: subgroup || 1, RELATIVE: false },
      buffers: ['read', 'read', 'read', 'write'],
    }),
    inputs: [qkv, qkvBias, biasTable],
    outputs: [out],
    uniforms: [
      height,
      width,
      windowsX,
      windowsY * window,
      windowsX * window,
      window,
      shift,
      channels / 4,
      f32(1 / Math.sqrt(headSize)),
    ],
    workgroups: [windowsX * windowsY, heads, Math.ceil((window * window) / 64)],
  });
  return out;
}
