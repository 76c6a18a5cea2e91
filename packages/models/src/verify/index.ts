/**
 * Models beside their published twins: every intermediate of a golden, compared.
 * @module
 */
export { verifyDeAot } from './deaot.js';
export { type VerifyGroundingDinoOptions, verifyGroundingDino } from './grounding-dino.js';
export { verifySam } from './sam.js';
export { verifySam2 } from './sam2.js';
export { type TapResult, VerificationError } from './taps.js';
