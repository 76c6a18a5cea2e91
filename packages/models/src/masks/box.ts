/** Two opposite corners of a box, in pixels from the upper left corner of the picture: left, top, right, bottom. */
export type Box = readonly [x0: number, y0: number, x1: number, y1: number];
