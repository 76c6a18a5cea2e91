/**
 * What workers of a farm do by themselves: the programs of samtrack, to build others on.
 * @module
 */
import type { EngineOptions } from 'samtrack';
import { isExpected } from 'samtrack/cli';
import type { Programs } from '../run/context.js';
import { davisProgram, scoreProgram, tableProgram } from './davis.js';
import { KeptModels } from './models.js';
import { trackProgram } from './track.js';

/**
 * The kinds of jobs that a worker knows.
 * @param engine what networks run on
 */
export default function programs(engine?: EngineOptions): Programs {
  const models = new KeptModels(engine);
  return { track: trackProgram(models), davis: davisProgram(models), score: scoreProgram, table: tableProgram };
}

/** Errors that speak for themselves, but are the GPU's, the disk's or the installation's. */
const NOT_THE_JOBS = new Set(['DeviceError', 'DeviceLostError', 'OutputError', 'MissingPackageError']);

/** Errors that are the job's own: bad media, wrong options. */
export const isFinal = (error: unknown): boolean => isExpected(error) && !NOT_THE_JOBS.has(error.name);
