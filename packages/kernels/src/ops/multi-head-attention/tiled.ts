import { defineProgram, type Program } from '../../dispatch/program.js';
import { type AttentionForm, attentionBindings, gridTile } from './form.js';
import operandsWgsl from './operands.wgsl';
import paramsWgsl from './params.wgsl';
import { attentionTile } from './select.js';
import tiledWgsl from './tiled.wgsl';

/** What changes the text of the `tiled` kernels. */
export interface TiledShape extends AttentionForm {
  /** Kernel and variant, for profiles. */
  name: string;
  headSize: number;
  /** Columns of the grid of keys. */
  gridWidth: number;
  maxWorkgroupBytes: number;
}

/** The program of a `tiled` kernel; `supportsTiles` must hold. */
export function tiledProgram(shape: TiledShape): Program {
  const { name, headSize, gridWidth, maxWorkgroupBytes } = shape;
  const { keys, keyVectors, stride, swizzle, holdQueries } = attentionTile(headSize, maxWorkgroupBytes)!;
  const head4 = headSize / 4;
  const slots = 16 * keys;
  const { slotWidth, slotHeight } = gridTile(gridWidth, slots);
  const vectors = slots * head4;
  const { params, buffers } = attentionBindings(shape);
  return defineProgram({
    name,
    template: tiledWgsl,
    includes: { params: paramsWgsl, operands: operandsWgsl },
    params: {
      HEAD4: head4,
      TN: keys,
      K_VECTORS: keyVectors,
      STRIDE: stride,
      SWIZZLE: swizzle,
      HOLD_QUERIES: holdQueries,
      COLUMNS: Math.ceil(head4 / 16),
      LOADS: Math.ceil(vectors / 256),
      REST: vectors % 256 > 0,
      SLOT_WIDTH: slotWidth,
      SLOT_HEIGHT: slotHeight,
      ...params,
    },
    buffers,
  });
}
