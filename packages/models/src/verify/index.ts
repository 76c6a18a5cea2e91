export { verifyDeAot } from './deaot.js';
export { type VerifyGroundingDinoOptions, verifyGroundingDino } from './grounding-dino.js';
export { type TapResult, VerificationError } from './taps.js';
