import { type BufferAccess, defineProgram, type Program } from '../../dispatch/program.js';
import flashWgsl from './flash.wgsl';
import operandsWgsl from './operands.wgsl';

/** What changes the text of the `broadcast` kernels. */
export interface FlashShape {
  /** Kernel and variant, for profiles. */
  name: string;
  subgroupSize: number;
  headSize: number;
  /** Queries that one subgroup owns. */
  rows: number;
  /** Columns of the grid of keys. */
  gridWidth: number;
  mask: boolean;
  relative: boolean;
  /** Keys are those of a window of an image. */
  window: boolean;
}

/** Keys of a tile: a power of two of columns, enough for a narrow grid, and as many rows as make 4 keys a lane. */
export function flashTile(gridWidth: number, subgroupSize: number): { slotWidth: number; slotHeight: number } {
  const slots = 4 * subgroupSize;
  let slotWidth = 4;
  while (slotWidth < Math.min(gridWidth, slots)) slotWidth *= 2;
  return { slotWidth, slotHeight: slots / slotWidth };
}

/** The program of a `broadcast` kernel. */
export function flashProgram(shape: FlashShape): Program {
  const { name, subgroupSize, headSize, rows, gridWidth, mask, relative, window } = shape;
  const { slotWidth, slotHeight } = flashTile(gridWidth, subgroupSize);
  const buffers: BufferAccess[] = window ? ['read', 'read'] : ['read', 'read', 'read'];
  const binding = (present: boolean) => (present ? buffers.push('read') - 1 : -1);
  const bindings = {
    MASK_BINDING: binding(mask),
    RELATIVE_BINDING: binding(relative),
    OUT_BINDING: buffers.push('write') - 1,
  };
  return defineProgram({
    name,
    template: flashWgsl,
    includes: { operands: operandsWgsl },
    params: {
      SG: subgroupSize,
      LOG_SG: Math.log2(subgroupSize),
      HEAD4: headSize / 4,
      PARTS: Math.ceil(headSize / 4 / subgroupSize),
      ROWS: rows,
      LOADS: Math.ceil(rows / subgroupSize),
      SLOT_WIDTH: slotWidth,
      SLOT_HEIGHT: slotHeight,
      MASK: mask,
      RELATIVE: relative,
      WINDOW: window,
      ...bindings,
    },
    buffers,
  });
}
