import { convOutput, convPadding, type OpSet } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { OnnxTrace } from '../trace.js';

type ImageOps = Pick<OpSet, 'conv2d' | 'depthwiseConv' | 'maxPool' | 'groupNorm' | 'resizeBilinear' | 'patchMerge'>;

/** Operations on images. */
export const imageOps = (trace: OnnxTrace): ImageOps => ({
  conv2d: (x, weight, options = {}) => {
    const { bias, activation, residual, finalRelu, stride = 1, dilation = 1 } = options;
    const input = trace.image(x);
    const [kh, kw, , n] = weight.shape as [number, number, number, number];
    const { pads, size } = convGeometry(x, [kh, kw], stride, dilation, options.padding);
    // The kernels pad an image to four channels; ONNX takes the three.
    const filters = trace.filters(weight, input.shape[1]!);
    const attributes = { kernel_shape: [kh, kw], strides: [stride, stride], dilations: [dilation, dilation], pads };
    const operands = bias ? [input.name, filters, trace.parameter(bias)] : [input.name, filters];
    let out = trace.activate(trace.graph.node('Conv', operands, attributes), activation);
    if (residual) out = trace.graph.node('Add', [out, trace.image(residual, [...size, n]).name]);
    if (finalRelu) out = trace.graph.node('Relu', [out]);
    return trace.tensor([...size, n], { name: out, layout: 'image', shape: [1, n, ...size] });
  },
  depthwiseConv: (x, weight, options = {}) => {
    const { bias, activation, stride = 1, dilation = 1 } = options;
    const input = trace.image(x);
    const [kh, kw, channels] = weight.shape as [number, number, number, number];
    const { pads, size } = convGeometry(x, [kh, kw], stride, dilation, options.padding);
    const filters = trace.filters(weight, 1);
    const attributes = {
      kernel_shape: [kh, kw],
      strides: [stride, stride],
      dilations: [dilation, dilation],
      pads,
      group: channels,
    };
    const operands = bias ? [input.name, filters, trace.parameter(bias)] : [input.name, filters];
    const out = trace.activate(trace.graph.node('Conv', operands, attributes), activation);
    return trace.tensor([...size, channels], { name: out, layout: 'image', shape: [1, channels, ...size] });
  },
  maxPool: (x, size, { stride = size, padding = 0 } = {}) => {
    const input = trace.image(x);
    const { pads, size: out } = convGeometry(x, [size, size], stride, 1, padding);
    const name = trace.graph.node('MaxPool', [input.name], {
      kernel_shape: [size, size],
      strides: [stride, stride],
      pads,
    });
    return trace.tensor([...out, x.shape[2]!], { name, layout: 'image', shape: [1, input.shape[1]!, ...out] });
  },
  // As PyTorch exports it: an instance normalisation of the groups.
  groupNorm: (x, weight, bias, groups, { eps = 1e-5, activation } = {}) => {
    const channels = x.shape.at(-1)!;
    const input = trace.image(x, x.rank === 3 ? x.shape : [1, x.size / channels, channels]);
    const grouped = trace.reshape(input.name, [1, groups, x.size / groups]);
    const normal = trace.graph.node(
      'InstanceNormalization',
      [grouped, trace.fill(1, [groups]), trace.fill(0, [groups])],
      { epsilon: { float: eps } },
    );
    const affine = trace.affine(trace.reshape(normal, input.shape), weight, bias, [channels, 1, 1]);
    const name = trace.activate(affine, activation);
    return trace.tensor(x.shape, { name, layout: 'image', shape: input.shape });
  },
  resizeBilinear: (x, [height, width], { alignCorners = false, residual } = {}) => {
    const input = trace.image(x);
    const channels = x.shape[2]!;
    const shape = [1, input.shape[1]!, height, width];
    let name = trace.graph.node('Resize', [input.name, '', '', trace.graph.ints(...shape)], {
      mode: 'linear',
      coordinate_transformation_mode: alignCorners ? 'align_corners' : 'half_pixel',
    });
    if (residual) name = trace.graph.node('Add', [name, trace.image(residual, [height, width, channels]).name]);
    return trace.tensor([height, width, channels], { name, layout: 'image', shape });
  },
  patchMerge: (x) => {
    const [height, width, channels] = x.shape as [number, number, number];
    const even = (length: number) => length + (length % 2);
    let { name } = trace.rows(x);
    if (width % 2) name = trace.graph.node('Concat', [name, trace.fill(0, [height, 1, channels])], { axis: 1 });
    if (height % 2) name = trace.graph.node('Concat', [name, trace.fill(0, [1, even(width), channels])], { axis: 0 });
    const blocks = trace.reshape(name, [even(height) / 2, 2, even(width) / 2, 2, channels]);
    // Columns before rows: (0, 0), (1, 0), (0, 1), (1, 1) in (row, column).
    const ordered = trace.graph.node('Transpose', [blocks], { perm: [0, 2, 3, 1, 4] });
    const shape = [(even(height) * even(width)) / 4, 4 * channels];
    return trace.tensor(shape, { name: trace.reshape(ordered, shape), layout: 'rows', shape });
  },
});

function convGeometry(
  x: Tensor,
  [kh, kw]: readonly [number, number],
  stride: number,
  dilation: number,
  padding: Parameters<typeof convPadding>[0],
): { pads: readonly number[]; size: [number, number] } {
  const pads = convPadding(padding);
  const [top, left, bottom, right] = pads;
  return {
    pads,
    size: [
      convOutput(x.shape[0]!, kh, stride, dilation, top + bottom),
      convOutput(x.shape[1]!, kw, stride, dilation, left + right),
    ],
  };
}
