export { interpretMask, MASK_READINGS, type MaskReading, type MaskReadingName } from './interpret.js';
export { type MaskPicture, maskPicture } from './picture.js';
export { fitMask, type ReadMaskOptions, readMask } from './read.js';
