export { verifyDeAot } from './deaot.js';
export { type TapResult, VerificationError } from './taps.js';
