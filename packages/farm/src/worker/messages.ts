import type { EngineOptions } from 'samtrack';
import type { JobProgress, StopReason } from '../run/context.js';
import type { JobRequest, Outcome } from '../run/run-job.js';

/** What a child is started with. */
export interface ChildSettings {
  /** Path or URL of the storage. */
  storage: string;
  scratch: string;
  /** Seconds without a sign of life after which the child ends itself. */
  hangSeconds: number;
  /** Seconds to wait for a storage that is away or full. */
  patienceSeconds: number;
  /** Seconds between two tries of it; default 2. */
  pauseSeconds?: number;
  chunkFrames?: number;
  /** What networks run on. */
  engine?: EngineOptions;
  /** A module whose default export makes the programs; default those of samtrack. */
  programs?: string;
}

export type ToChild = { type: 'run'; request: JobRequest } | { type: 'stop'; reason: StopReason } | { type: 'exit' };

export type FromChild =
  | { type: 'ready' }
  | { type: 'progress'; progress: JobProgress }
  | { type: 'note'; text: string }
  | { type: 'outcome'; outcome: Outcome };
