/**
 * Many videos on many machines: jobs, their results, and the queue. `@samtrack/farm/worker` has what runs them.
 * @module
 */
export { FarmError, type FarmErrorCode } from './errors.js';
export { readVideos, type Video } from './job/manifest.js';
export { Planner } from './job/plan.js';
export { checkInputs, digestOf, type Input, type JobSpec, type Json, keyOf } from './job/spec.js';
export type { Chunk, Claim, Commit, Done, Entry, LedgerState, StoredFile } from './ledger/entries.js';
export { Ledger } from './ledger/ledger.js';
export { connect, type QueueAddress } from './queue/connection.js';
export { FarmQueue, type JobData, type JobReport, type Submission, type Submitted } from './queue/farm-queue.js';
export { fetchResults } from './results/fetch.js';
export { openStorage } from './storage/open.js';
export type { Storage } from './storage/storage.js';
