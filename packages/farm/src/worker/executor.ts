import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { JobProgress, StopReason } from '../run/context.js';
import type { JobRequest, Outcome } from '../run/run-job.js';
import { programFile } from './files.js';
import type { ChildSettings, FromChild, ToChild } from './messages.js';

/** Runs jobs for a supervisor, one at a time. */
export interface Executor {
  /** Runs a job to its end. @returns what became of it */
  run(request: JobRequest, onProgress: (progress: JobProgress) => void): Promise<Outcome>;
  /** Tells the job under way to stop. */
  stop(reason: StopReason): void;
  /** Ends the child, once its job has stopped. */
  close(): Promise<void>;
}

/** What a child may take to end when it is told to. */
const EXIT_MS = 10_000;

/** A child process that stays between jobs, with its weights loaded, and is started anew when it has died. */
export class ChildExecutor implements Executor {
  #child: ChildProcess | undefined;
  #last = '';
  /** When the files of the last child are gone. */
  #cleared = Promise.resolve();

  /** @param onNote what the child says */
  constructor(
    private readonly settings: ChildSettings,
    private readonly onNote: (text: string) => void = () => {},
    private readonly env: NodeJS.ProcessEnv = process.env,
  ) {}

  /** Undefined while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async run(request: JobRequest, onProgress: (progress: JobProgress) => void): Promise<Outcome> {
    const child = (this.#child ??= this.#start());
    this.#last = '';
    return new Promise<Outcome>((resolve) => {
      const done = (outcome: Outcome) => {
        child.off('message', onMessage).off('exit', onExit).off('error', onError);
        // What it holds may be in any state.
        if (outcome.status === 'crashed') this.#drop(child);
        resolve(outcome);
      };
      const onMessage = (message: FromChild) => {
        if (message.type === 'progress') onProgress(message.progress);
        else if (message.type === 'note') this.onNote(message.text);
        else if (message.type === 'outcome') done(message.outcome);
      };
      const onExit = (code: number | null, signal: string | null) => {
        const how = signal ? `ended by ${signal}` : `exit status ${code}`;
        done({ status: 'crashed', message: this.#last ? `${how}: ${this.#last}` : how });
      };
      const onError = ({ message }: Error) => done({ status: 'crashed', message: `no process for it: ${message}` });
      child.on('message', onMessage).on('exit', onExit).on('error', onError);
      this.#send({ type: 'run', request });
    });
  }

  stop(reason: StopReason): void {
    this.#send({ type: 'stop', reason });
  }

  async close(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    this.#send({ type: 'exit' });
    const late = setTimeout(() => child.kill('SIGKILL'), EXIT_MS);
    await gone;
    clearTimeout(late);
    await this.#cleared;
  }

  #send(message: ToChild): void {
    // One that has just died tells so by its exit.
    if (this.#child?.connected) this.#child.send(message, () => {});
  }

  #start(): ChildProcess {
    const scratch = scratchFolder(this.settings.scratch);
    const child = fork(programFile('child'), [JSON.stringify({ ...this.settings, scratch })], {
      env: this.env,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      const lines = text.split('\n').filter((line) => line.trim() !== '');
      this.#last = lines.at(-1) ?? this.#last;
      for (const line of lines) this.onNote(line);
    });
    const forget = () => {
      if (this.#child === child) this.#child = undefined;
      // One that was killed has left its files behind.
      this.#cleared = rm(scratch, { recursive: true, force: true }).catch(() => {});
    };
    child.on('exit', forget).on('error', forget);
    return child;
  }

  #drop(child: ChildProcess): void {
    if (this.#child === child) this.#child = undefined;
    child.kill('SIGKILL');
  }
}

/** Folders of children, by the machine and the process that they were made for. */
const SCRATCH = /^(.+)-(\d+)-\w{6}$/;

/** A folder for a child's files; those of workers of this machine that are no more are removed. */
function scratchFolder(root: string): string {
  mkdirSync(root, { recursive: true });
  for (const name of readdirSync(root)) {
    const [, host, pid] = SCRATCH.exec(name) ?? [];
    if (host !== hostname() || isRunning(Number(pid))) continue;
    void rm(join(root, name), { recursive: true, force: true }).catch(() => {});
  }
  return mkdtempSync(join(root, `${hostname()}-${process.pid}-`));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
