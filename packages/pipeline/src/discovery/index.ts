/**
 * New objects on the way: which of what a detector or segmenter finds is tracked by nobody yet, and is there to stay.
 * @module
 */

export { withoutPixels } from '../tracking/strays.js';
export { type Candidate, canonicalOrder, rleIou, withoutDoubles } from './candidate.js';
export { type CandidateSource, describedBy, everything, type TextOptions } from './candidate-source.js';
export { type CmrOptions, compareMasks, isNewObject, type MaskComparison } from './cmr.js';
export { confirmedBy, type VoteOptions } from './confirm.js';
export {
  admit,
  type DiscoverOptions,
  type Discovery,
  discover,
  type KnownObject,
  MAX_ID,
  type NewObject,
  type Proposal,
  propose,
  type Rejection,
  type RejectionReason,
} from './discover.js';
export {
  type DiscoveredObject,
  Discoverer,
  type DiscovererOptions,
  type DiscoveryReport,
} from './discoverer.js';
export { DiscoveryError, type DiscoveryErrorCode } from './errors.js';
export { automatic, fusion, type TrackingMode } from './modes.js';
export { type QueuedProposal, ReviewQueue } from './review-queue.js';
export { StrayWatch } from './strays.js';
