/** Side of the square frame that images are fitted into, in pixels. */
export const FRAME = 512;
/** Pixels of the frame that a position of the embedding stands for, along each axis. */
export const STRIDE = 16;
/** Positions along a side of the embedding. */
export const SIDE = FRAME / STRIDE;
/** Side of mask logits, of mask prompts and of the dense prompt; a cell of them has 4 x 4 pixels. */
export const LOW_RES = 4 * SIDE;
/** Channels of the embedding and of tokens. */
export const CHANNELS = 128;
/** Channels of the encoder's maps at strides 4, 8 and 16. */
export const MAPS = { f4: 24, f8: 32, f16: 96 } as const;
/** Channels after the first and the second upscaling. */
export const UP = [64, 32] as const;
/** Maps of a dense prompt: an earlier mask, clicks on the object, clicks beside it, the box. */
export const DENSE = 4;
/** Channels of the dense prompt at strides 8 and 16 of the frame, before it has the embedding's. */
export const DOWN = [16, 32] as const;
