/**
 * What `samtrack` loads: the commands, and evaluation on a farm.
 * @module
 */
import type { Command } from 'samtrack/cli';
import { jobsCommand } from './cli/jobs.js';
import { submitCommand } from './cli/submit.js';
import { workerCommand } from './cli/worker.js';

/** The commands that `samtrack` lists: `submit`, `worker`, `jobs`. */
export const commands: readonly Command[] = [submitCommand, workerCommand, jobsCommand];
export { evaluate } from './cli/evaluate.js';
