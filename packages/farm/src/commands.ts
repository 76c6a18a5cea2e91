/** What `samtrack` loads: the commands, and evaluation on a farm. */
import type { Command } from 'samtrack/cli';
import { jobsCommand } from './cli/jobs.js';
import { submitCommand } from './cli/submit.js';
import { workerCommand } from './cli/worker.js';

export const commands: readonly Command[] = [submitCommand, workerCommand, jobsCommand];
export { evaluate } from './cli/evaluate.js';
