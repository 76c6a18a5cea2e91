import type { BufferAccess } from '../../dispatch/program.js';

/** Which operands an attention has. */
export interface AttentionForm {
  mask: boolean;
  relative: boolean;
  /** Keys are those of a window of an image: query, key and value are one operand, and the bias of their projection another. */
  window: boolean;
}

/** The buffers of an attention kernel and where in them the optional ones and the output are. */
export function attentionBindings({ mask, relative, window }: AttentionForm) {
  const buffers: BufferAccess[] = window ? ['read', 'read'] : ['read', 'read', 'read'];
  const binding = (present: boolean) => (present ? buffers.push('read') - 1 : -1);
  const params = {
    MASK: mask,
    RELATIVE: relative,
    WINDOW: window,
    MASK_BINDING: binding(mask),
    RELATIVE_BINDING: binding(relative),
    OUT_BINDING: buffers.push('write') - 1,
  };
  return { params, buffers };
}

/** The part of a grid of keys that is taken at a time. */
export interface GridTile {
  slotWidth: number;
  slotHeight: number;
}

/** A tile of so many keys: a power of two of columns, enough for a narrow grid, and as many rows as there is room for. */
export function gridTile(gridWidth: number, slots: number): GridTile {
  let slotWidth = 4;
  while (slotWidth < Math.min(gridWidth, slots)) slotWidth *= 2;
  return { slotWidth, slotHeight: slots / slotWidth };
}
