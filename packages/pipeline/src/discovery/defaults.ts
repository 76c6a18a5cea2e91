import { MIN_OBJECT_AREA } from '../assist/defaults.js';

/** How new objects are looked for unless told otherwise, in the program and on the command line. */
export const DISCOVERY_DEFAULTS = {
  /** Frames from one look to the next. */
  every: 10,
  /** Frames that vote. */
  lookAhead: 2,
  /** Least share of a mask that nothing tracks yet. */
  threshold: 0.8,
  minArea: MIN_OBJECT_AREA,
  maxObjects: 255,
  /** Share of the frame. */
  maxNewShare: 1,
  duplicateIou: 0.8,
} as const;

/** `maxNewShare` on the command line where a text says what to find: a box around the whole frame is then a mistake. */
export const MAX_NEW_SHARE_BY_TEXT = 0.4;
