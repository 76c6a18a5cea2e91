/**
 * Workers with programs of one's own.
 * @module
 */
export { FarmError, type FarmErrorCode } from '../errors.js';
export { connect, type QueueAddress } from '../queue/connection.js';
export type {
  JobContext,
  JobProgress,
  JobResult,
  Program,
  ProgramModule,
  Programs,
  StopReason,
} from '../run/context.js';
export { type JobRequest, type Outcome, type RunOptions, runJob } from '../run/run-job.js';
export { openStorage } from '../storage/open.js';
export { type Patience, patient } from '../storage/patient.js';
export type { Storage } from '../storage/storage.js';
export { ChildExecutor, type Executor } from './executor.js';
export type { ChildSettings } from './messages.js';
export { Supervisor, type SupervisorEvent, type SupervisorOptions } from './supervisor.js';
