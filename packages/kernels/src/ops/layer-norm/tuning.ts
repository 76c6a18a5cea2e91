import type { TunedOp } from '../../tuning/tuned-op.js';
import activationWgsl from '../gemm/activation.wgsl';
import rowWgsl from './row.wgsl';
import { type LayerNormVariant, selectLayerNorm } from './select.js';
import workgroupWgsl from './workgroup.wgsl';

interface TunedLayerNormShape {
  rows: number;
  /** Of a row. */
  channels: number;
}

export const tunedLayerNorm: TunedOp<TunedLayerNormShape, LayerNormVariant> = {
  name: 'layer-norm',
  sources: [activationWgsl, rowWgsl, workgroupWgsl],
  variants: () => ['row', 'workgroup'],
  select: (_, adapter) => selectLayerNorm(adapter),
  work: ({ rows, channels }) => ({ flops: 8 * rows * channels, bytes: 8 * rows * channels }),
};
