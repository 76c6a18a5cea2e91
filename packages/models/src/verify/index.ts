export { verifyDeAot } from './deaot.js';
export { type VerifyGroundingDinoOptions, verifyGroundingDino } from './grounding-dino.js';
export { verifySam } from './sam.js';
export { type TapResult, VerificationError } from './taps.js';
