import { type BufferAccess, defineProgram, type Program } from '../../dispatch/program.js';
import operandsWgsl from './operands.wgsl';
import paramsWgsl from './params.wgsl';
import { attentionTile } from './select.js';
import tiledWgsl from './tiled.wgsl';

/** What changes the text of the `tiled` kernels. */
export interface TiledShape {
  /** Kernel and variant, for profiles. */
  name: string;
  headSize: number;
  /** Columns of the grid of keys. */
  gridWidth: number;
  mask: boolean;
  relative: boolean;
  /** Keys are those of a window of an image. */
  window: boolean;
  maxWorkgroupBytes: number;
}

/** Least columns of a tile that is not one row. */
const MIN_SLOT_WIDTH = 4;

/** The program of a `tiled` kernel; `supportsTiles` must hold. */
export function tiledProgram(shape: TiledShape): Program {
  const { name, headSize, gridWidth, mask, relative, window, maxWorkgroupBytes } = shape;
  const { keys, keyVectors, stride, swizzle, holdQueries } = attentionTile(headSize, maxWorkgroupBytes)!;
  const head4 = headSize / 4;
  const slots = 16 * keys;
  let slotWidth = MIN_SLOT_WIDTH;
  while (slotWidth < Math.min(gridWidth, slots)) slotWidth *= 2;
  const vectors = slots * head4;
  const buffers: BufferAccess[] = window ? ['read', 'read'] : ['read', 'read', 'read'];
  const binding = (present: boolean) => (present ? buffers.push('read') - 1 : -1);
  const bindings = {
    MASK_BINDING: binding(mask),
    RELATIVE_BINDING: binding(relative),
    OUT_BINDING: buffers.push('write') - 1,
  };
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
      SLOT_HEIGHT: slots / slotWidth,
      MASK: mask,
      RELATIVE: relative,
      WINDOW: window,
      ...bindings,
    },
    buffers,
  });
}
