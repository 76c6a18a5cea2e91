/** A Redis server of a test's own, on a free port of the loopback address. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
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

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class TestRedis {
  private process: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly password: string,
  ) {}

  /** Starts a server that keeps its data in an append-only file. @param password one that clients have to know */
  static async start(password = ''): Promise<TestRedis> {
    const redis = new TestRedis(await freePort(), mkdtempSync(join(tmpdir(), 'samtrack-redis-')), password);
    await redis.up();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again, with the data it had. */
  async up(): Promise<void> {
    const options = {
      bind: '127.0.0.1',
      port: this.port,
      dir: this.folder,
      appendonly: 'yes',
      save: '',
      'maxmemory-policy': 'noeviction',
      requirepass: this.password,
    };
    this.process = spawn(
      program!,
      Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
      { argv0: program === 'redis-check-rdb' ? 'redis-server' : program!, stdio: 'ignore' },
    );
    await eventually('an answer of the Redis server', async () => {
      const { url: redis, password } = this;
      const client = await connect({ redis, queue: '', ...(password && { password }) }).catch(() => undefined);
      const ready = (await client?.ping().catch(() => '')) === 'PONG';
      client?.disconnect();
      return ready;
    });
  }

  /** Kills it, as a machine that loses power. */
  async kill(): Promise<void> {
    const process = this.process!;
    const gone = new Promise((resolve) => process.once('exit', resolve));
    process.kill('SIGKILL');
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
