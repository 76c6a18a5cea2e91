/** A farm as people run it: commands and workers as processes, on a Redis and a storage of the test's own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SerialQueue } from '@samtrack/kernels/common';
import { main } from 'samtrack/cli';
import { vi } from 'vitest';
import { eventually } from './eventually.js';
import { childrenOf, isAlive } from './processes.js';
import { TestRedis } from './redis.js';
import { S3Server } from './s3-server.js';

const BIN = fileURLToPath(new URL('../../pipeline/bin/samtrack.mjs', import.meta.url));
/** What tells commands where the farm is. */
const NAMES = ['SAMTRACK_REDIS', 'SAMTRACK_STORAGE', 'SAMTRACK_QUEUE'] as const;
/** Commands in one process write to the same streams. */
const oneAtATime = new SerialQueue();

/** What one command may take; workers go on until they are ended. */
const COMMAND_MS = 300_000;

interface Ended {
  status: number | null;
  out: string;
  err: string;
}

/** A `samtrack worker`, and what it has said. */
export class CommandWorker {
  said = '';
  /** Why it could not be started. */
  private fault: Error | undefined;
  private readonly process: ChildProcess;

  constructor(argv: readonly string[], env: NodeJS.ProcessEnv) {
    this.process = spawn(process.execPath, [BIN, 'worker', ...argv], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    this.process.stderr!.on('data', (text) => (this.said += text));
    this.process.on('error', (error) => {
      this.fault = error;
    });
  }

  /** The process that tracks, once there is one. */
  get child(): number | undefined {
    return childrenOf(this.process.pid!)[0];
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** Waits until it has said something. */
  async says(text: string | RegExp): Promise<void> {
    const wanted = (said: string) => (typeof text === 'string' ? said.includes(text) : text.test(said));
    const look = () => {
      if (this.fault) throw this.fault;
      return this.said;
    };
    await eventually(`"${text}" from a worker`, look, wanted);
  }

  /** Sends a signal. Resolves when it is gone, with its child. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const { pid } = this.process;
    if (pid === undefined) return;
    const pids = [pid, ...childrenOf(pid)];
    this.signal(signal);
    const look = () => ({ alive: pids.filter(isAlive), said: this.said });
    await eventually(`the end of worker and child ${pids}`, look, ({ alive }) => alive.length === 0);
  }
}

/**
 * The storage answers when the test lets it: a worker is held at the line of its ledger that it wants to write, which is where a test wants
 * it, on machines of any speed.
 */
export class CommandFarm {
  private workers: CommandWorker[] = [];

  private constructor(
    readonly redis: TestRedis,
    readonly s3: S3Server,
    private readonly scratch: string,
  ) {}

  static async start(scratch: string): Promise<CommandFarm> {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
    const [redis, s3] = await Promise.all([TestRedis.start(), S3Server.start()]);
    return new CommandFarm(redis, s3, scratch);
  }

  storageOf(queue: string): string {
    return this.s3.url(`farm/${queue}`);
  }

  /** Runs `samtrack` to its end. */
  samtrack(queue: string, ...argv: string[]): Promise<Ended> {
    const child = spawn(process.execPath, [BIN, ...argv], {
      env: this.environment(queue),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_MS,
      killSignal: 'SIGKILL',
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (text) => (out += text));
    child.stderr.on('data', (text) => (err += text));
    return new Promise((resolve, reject) =>
      child.on('close', (status, signal) => {
        if (signal) reject(new Error(`samtrack ${argv.join(' ')}: ended by ${signal}, having said: ${out}${err}`));
        else resolve({ status, out, err });
      }),
    );
  }

  /** The same in this process, which is quicker: for commands that are not what is tested. */
  here(queue: string, ...argv: string[]): Promise<Ended> {
    return oneAtATime.run(async () => {
      const written = { stdout: '', stderr: '' };
      const streams = (['stdout', 'stderr'] as const).map((name) =>
        vi.spyOn(process[name], 'write').mockImplementation((text) => {
          written[name] += text;
          return true;
        }),
      );
      const before = { ...process.env };
      Object.assign(process.env, this.environment(queue));
      try {
        return { status: await main(argv), out: written.stdout, err: written.stderr };
      } finally {
        for (const name of NAMES) {
          if (before[name] === undefined) delete process.env[name];
          else process.env[name] = before[name];
        }
        for (const stream of streams) stream.mockRestore();
      }
    });
  }

  /** Starts a worker, with chunks of eight frames. */
  worker(queue: string, host: string, more: string[] = [], env: NodeJS.ProcessEnv = {}): CommandWorker {
    const settings = { scratch: this.scratch, 'lock-seconds': 2, 'pause-seconds': 0.2, chunk: 8, host };
    const argv = [...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]), ...more];
    const worker = new CommandWorker(argv, { ...this.environment(queue), ...env });
    this.workers.push(worker);
    return worker;
  }

  /** Makes whoever writes a line of a ledger wait until `release`, or only the first. */
  holdLine(line: number, { once = false } = {}): void {
    const end = `/log/${String(line).padStart(6, '0')}.json`;
    let times = 0;
    this.s3.hold = (method, name) => method === 'PUT' && name.endsWith(end) && (!once || times++ === 0);
  }

  /** Waits until so many workers wait for the storage: fewer, once one that waited is gone. */
  async held(count: number): Promise<void> {
    await eventually(
      `${count} workers at the line where the storage makes them wait`,
      () => ({ waiting: this.s3.waiting, said: this.workers.map(({ said }) => said) }),
      ({ waiting }) => waiting.length === count,
    );
  }

  release(): void {
    this.s3.release();
  }

  /** Ends all workers. @param failed tells what they have said */
  async endWorkers(failed: boolean): Promise<void> {
    if (failed) for (const { said } of this.workers) process.stderr.write(said);
    this.release();
    await Promise.all(this.workers.map((worker) => worker.end('SIGTERM')));
    this.workers = [];
  }

  async stop(): Promise<void> {
    await Promise.all([this.redis.stop(), this.s3.stop()]);
  }

  private environment(queue: string): NodeJS.ProcessEnv {
    return {
      ...process.env,
      SAMTRACK_REDIS: this.redis.url,
      SAMTRACK_STORAGE: this.storageOf(queue),
      SAMTRACK_QUEUE: queue,
    };
  }
}
