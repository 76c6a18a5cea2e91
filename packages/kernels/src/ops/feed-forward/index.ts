import type { Tensor } from '@tensorflow/tfjs-core';
import type { AdapterClass } from '../../device/adapter.js';
import { type Activation, activation } from '../../families/activation/index.js';
import { fields, float32, number, optional, record } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import { gemm } from '../gemm/index.js';

/** A linear layer. */
export interface LinearLayer {
  /** float32 [in, out]. */
  weight: Tensor;
  /** float32 [out]. */
  bias: Tensor;
}

/** Options of `feedForward`. */
export interface FeedForwardOptions {
  /** Between the two layers. */
  activation: Activation;
  /** Added to the result, float32 [T, out]. */
  residual?: Tensor | undefined;
  /** Hidden values held at once, in bytes; 32 MiB by default, 96 MiB on discrete GPUs. */
  workspaceBytes?: number | undefined;
}

/**
 * Hidden values held at once, in bytes. A large GPU needs long blocks to be busy: on an H100, blocks of 96 MiB ran at 27
 * TFLOP/s, those of 32 MiB at 22.
 */
const workspace = ({ kind }: AdapterClass): number => (kind === 'discrete' ? 96 : 32) * 2 ** 20;

/**
 * Two linear layers with an activation between them, `activation(x W1 + b1) W2 + b2 + residual`, for any number of tokens:
 * the hidden values, the largest tensor of a transformer, exist for a block of tokens at a time.
 *
 * @param x float32 [T, in].
 * @returns float32 [T, out].
 * @throws ShapeError when the operands do not fit.
 * @see Vaswani et al., "Attention Is All You Need" (2017), section 3.3
 */
export const feedForward = defineOp({
  name: 'feed-forward',
  takes: {
    x: float32,
    first: record<LinearLayer>({ weight: float32, bias: float32 }),
    second: record<LinearLayer>({ weight: float32, bias: float32 }),
    options: fields<FeedForwardOptions>({ activation, residual: optional(float32), workspaceBytes: optional(number) }),
  },
  kernels: [],
  run(call, x: Tensor, first: LinearLayer, second: LinearLayer, options: FeedForwardOptions): Tensor {
    const { activation, residual, workspaceBytes = workspace(call.adapter) } = options;
    const [tokens, inputs] = x.shape as [number, number];
    const [hidden, width] = second.weight.shape as [number, number];
    const ranks = [x, first.weight, second.weight].every(({ rank }) => rank === 2);
    if (!ranks || first.weight.shape[0] !== inputs || first.weight.shape[1] !== hidden) {
      const layers = { first: first.weight, second: second.weight };
      throw call.wrong('tokens, and layers that follow each other,', { x, ...layers });
    }
    if (first.bias.size !== hidden || second.bias.size !== width || (residual && residual.size !== tokens * width)) {
      const added = { first: first.bias, second: second.bias, residual };
      throw call.wrong(`biases of ${hidden} and ${width}, and a residual of [${tokens}, ${width}]`, added);
    }
    const out = call.allocate([tokens, width]);
    const most = Math.max(1, Math.floor(workspaceBytes / (4 * hidden)));
    // Blocks of equal length, so that the last one is no sliver.
    const rows = Math.ceil(tokens / Math.max(1, Math.ceil(tokens / most)));
    for (let row = 0; row < tokens; row += rows) {
      const count = Math.min(rows, tokens - row);
      const inner = gemm(x, first.weight, { aRows: [row, count], bias: first.bias, activation });
      gemm(inner, second.weight, { bias: second.bias, residual, into: { tensor: out, row } });
      inner.dispose();
    }
    return out;
  },
});
