import { defineProgram, type Program } from '../../dispatch/program.js';
import flashWgsl from './flash.wgsl';
import { type AttentionForm, attentionBindings, type GridTile, gridTile } from './form.js';
import operandsWgsl from './operands.wgsl';

/** What changes the text of the `broadcast` kernels. */
export interface FlashShape extends AttentionForm {
  /** Kernel and variant, for profiles. */
  name: string;
  subgroupSize: number;
  headSize: number;
  /** Queries that one subgroup owns. */
  rows: number;
  /** Columns of the grid of keys. */
  gridWidth: number;
}

/** The tile of the `broadcast` kernels: 4 keys a lane. */
export const flashTile = (gridWidth: number, subgroupSize: number): GridTile => gridTile(gridWidth, 4 * subgroupSize);

/** The program of a `broadcast` kernel. */
export function flashProgram(shape: FlashShape): Program {
  const { name, subgroupSize, headSize, rows, gridWidth } = shape;
  const { slotWidth, slotHeight } = flashTile(gridWidth, subgroupSize);
  const { params, buffers } = attentionBindings(shape);
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
      ...params,
    },
    buffers,
  });
}
