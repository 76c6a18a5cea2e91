import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { float32, int32, number, optional, record } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import idEmbeddingWgsl from './id-embedding.wgsl';

const embed = defineKernel({ name: 'id-embedding', template: idEmbeddingWgsl });

/** Weights of an identity bank: the convolution's, and their running sums along each kernel row. */
export interface IdBank {
  /** float32 [kernel, kernel, classes, C]; class 0 is background. */
  kernel: Tensor;
  /** float32 [classes, kernel, kernel + 1, C]: entry x is the sum of the kernel's first x columns. */
  sums: Tensor;
  /** float32 [C]. */
  bias: Tensor;
}

/** Uploads an identity bank. `weight` is [kernel, kernel, classes, channels], flat. */
export function makeIdBank(weight: Float32Array, bias: Float32Array, kernel: number, classes: number): IdBank {
  const channels = bias.length;
  const sums = new Float32Array(classes * kernel * (kernel + 1) * channels);
  const running = new Float64Array(channels);
  for (let id = 0; id < classes; id++) {
    for (let y = 0; y < kernel; y++) {
      running.fill(0);
      for (let x = 0; x < kernel; x++) {
        const source = ((y * kernel + x) * classes + id) * channels;
        const target = ((id * kernel + y) * (kernel + 1) + x + 1) * channels;
        for (let c = 0; c < channels; c++) sums[target + c] = running[c]! += weight[source + c]!;
      }
    }
  }
  return {
    kernel: tensor(weight, [kernel, kernel, classes, channels]),
    sums: tensor(sums, [classes, kernel, kernel + 1, channels]),
    bias: tensor(bias, [channels]),
  };
}

/** Where the label map lies with respect to the network's grid. */
export interface IdEmbeddingGeometry {
  /** Network input size; labels are read at it by nearest neighbour, floor(i * labels / network). */
  height: number;
  width: number;
  stride: number;
  padding: number;
  /** The label that is class 1 of the bank; `classes - 1` labels from it on are seen, all others are background. */
  firstId?: number;
}

/**
 * Identity embedding of a label map: the bank's convolution over the one-hot encoding, which is never built (DeAOT,
 * `patch_wise_id_bank`; the following norm is the caller's).
 *
 * @param labels int32 [H, W], of any size.
 * @returns float32 [outHeight * outWidth, C].
 * @throws ShapeError when the operands do not fit, or C is not a multiple of 32.
 */
export const idEmbedding = defineOp({
  name: 'id-embedding',
  takes: {
    labels: int32,
    bank: record<IdBank>({ kernel: float32, sums: float32, bias: float32 }),
    geometry: record<IdEmbeddingGeometry>({
      height: number,
      width: number,
      stride: number,
      padding: number,
      firstId: optional(number),
    }),
  },
  kernels: [embed],
  run(call, labels: Tensor, bank: IdBank, geometry: IdEmbeddingGeometry): Tensor {
    const { height, width, stride, padding, firstId = 1 } = geometry;
    const { sums, bias } = bank;
    const [classes, kernel, edges, channels] = sums.shape as [number, number, number, number];
    if (labels.rank !== 2) throw call.wrong('a label map [H, W]', { labels });
    if (sums.rank !== 4 || channels % 32 !== 0) throw call.wrong('channels that are a multiple of 32', { sums });
    if (bank.kernel.size !== kernel ** 2 * classes * channels || edges !== kernel + 1 || bias.size !== channels) {
      throw call.wrong('a bank of `makeIdBank`', { ...bank });
    }
    const [labelHeight, labelWidth] = labels.shape as [number, number];
    const outHeight = Math.floor((height + 2 * padding - kernel) / stride) + 1;
    const outWidth = Math.floor((width + 2 * padding - kernel) / stride) + 1;
    const positions = outHeight * outWidth;
    const channels4 = channels / 4;
    // A software adapter works through a workgroup's subgroups one after the other: few lanes with several vectors each.
    const threads = call.adapter.kind === 'software' ? 8 : Math.min(64, channels4);
    const out = call.allocate([positions, channels]);
    call.launch(embed, {
      params: { THREADS: threads, PER_LANE: channels4 / threads, CHANNELS4: channels4 },
      tensors: { labels, sums, bias, out },
      uniforms: {
        labelWidth,
        labelHeight,
        netWidth: width,
        netHeight: height,
        scaleX: labelWidth / width,
        scaleY: labelHeight / height,
        outWidth,
        positions,
        kernel,
        stride,
        padding,
        firstId,
        classes,
      },
      workgroups: positions,
    });
    return out;
  },
});
