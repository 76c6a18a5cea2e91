/** A Redis server of a test's own, on a free port of the loopback address. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../src/queue/connection.js';
import { eventually } from './eventually.js';

/** Programs that are a server; Debian's `redis-tools` has it under a name of its own, which decides what it does. */
const PROGRAMS = ['redis-server', 'valkey-server', 'redis-check-rdb'] as const;

const program = PROGRAMS.find((name) => spawnSync('which', [name]).status === 0);

/** Whether there is a server to start. */
export const hasRedis = program !== undefined;
if (!hasRedis) process.stderr.write('skipped: there is no redis-server; install redis-tools, redis or valkey\n');

/**
 * Not one of those that systems give to whoever connects: while the server is down, who tries to reach it there could be given the very
 * port, and have it.
 */
const PORTS = { from: 10_000, to: 30_000 };

const anyPort = () => PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from));

export class TestRedis {
  private process: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    readonly folder: string,
    private readonly password: string,
  ) {}

  /** Starts a server that keeps its data in an append-only file. @param password one that clients have to know */
  static async start(password = ''): Promise<TestRedis> {
    for (;;) {
      const redis = new TestRedis(anyPort(), mkdtempSync(join(tmpdir(), 'samtrack-redis-')), password);
      if (await redis.listens()) return redis;
      rmSync(redis.folder, { recursive: true, force: true });
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again, with the data it had. */
  async up(): Promise<void> {
    if (!(await this.listens())) throw new Error(`port ${this.port} of the Redis server is another one's now`);
  }

  /** Starts it. @returns false where its port is taken */
  private async listens(): Promise<boolean> {
    const options = {
      bind: '127.0.0.1',
      port: this.port,
      dir: this.folder,
      appendonly: 'yes',
      save: '',
      'maxmemory-policy': 'noeviction',
      requirepass: this.password,
    };
    const server = spawn(
      program!,
      Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
      { argv0: program === 'redis-check-rdb' ? 'redis-server' : program!, stdio: 'ignore' },
    );
    this.process = server;
    return eventually(
      'an answer of the Redis server',
      async () => {
        if (server.exitCode !== null) return false;
        const { url: redis, password } = this;
        const client = await connect({ redis, queue: '', ...(password && { password }) }).catch(() => undefined);
        const said = await client?.info('server').catch(() => '');
        client?.disconnect();
        // Another one may answer there.
        return said?.includes(`process_id:${server.pid}\r`) || undefined;
      },
      (answer) => answer !== undefined,
    ) as Promise<boolean>;
  }

  /** Kills it, as a machine that loses power. */
  async kill(): Promise<void> {
    const process = this.process!;
    if (process.exitCode !== null || process.signalCode !== null) return;
    const gone = new Promise((resolve) => process.once('exit', resolve));
    process.kill('SIGKILL');
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
