import type { EngineOptions } from 'samtrack';
import type { JobSpec } from '../job/spec.js';
import type { Storage } from '../storage/storage.js';

/** Why a job is to stop where it is and be given back. */
export type StopReason = 'drain' | 'slice' | 'cancel';

/** How far a job is. */
export interface JobProgress {
  done: number;
  /** Undefined while it is not known. */
  total?: number;
  /** Of this claim: frames worked on, and seconds that took. */
  tracked: number;
  seconds: number;
}

/** What a program has to work with. */
export interface JobContext {
  /** Local folder of the results; what is stored already is in it. */
  readonly folder: string;
  readonly storage: Storage;
  /** Aborted when the job is cancelled. */
  readonly signal: AbortSignal;
  /** Frames of work that are stored at a time. */
  readonly chunkFrames: number;
  /** Something to tell that has nothing to do with frames, such as loading weights: the job is not hung. */
  beat(): void;
  /**
   * Called after each frame: stores a chunk when it is time, and throws when the job is to stop; what is on disk once the program has
   * ended is stored then.
   * @param open a file of the results that may be being written
   * @param resumable false where a later run could not go on from what is on disk now: it is not the time yet
   */
  frame(progress: JobProgress, open?: string, resumable?: boolean): Promise<void>;
  /**
   * Called after each frame of work that cannot be gone on with, but begins anew when it was interrupted: throws when the job is to stop,
   * which is not asked for after a slice.
   */
  whole(progress: JobProgress): void;
}

/** What a program tells when it is done. */
export interface JobResult {
  frames: number;
  /** For people to read. */
  notes: string[];
}

/** A kind of job: it finds what it needs in the specification, and goes on with what is in the folder. */
export interface Program {
  /** Works on a job until it is done or the context says to stop. */
  run(spec: JobSpec, context: JobContext): Promise<JobResult>;
  /** Whether a file of the results is of use to a later run that goes on; default yes. */
  keeps?(file: string): boolean;
  /** Whether of a file nothing but its latest state is of use: it is stored by itself, and gone when the job is done. */
  replaces?(file: string): boolean;
  /** Frees what it keeps between jobs. */
  dispose?(): void;
}

/** Programs by the names that jobs call them. */
export type Programs = Readonly<Record<string, Program>>;

/** A module that a worker's child loads its programs from. */
export interface ProgramModule {
  /** @param engine what networks run on; what jobs say comes first, then the defaults of samtrack */
  default(engine?: EngineOptions): Programs;
  /** Errors that are the job's own: it is not tried again. Everything else counts as a crash. */
  isFinal(error: unknown): boolean;
}
