import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { FarmError } from '../errors.js';
import { PREFIX } from '../queue/connection.js';
import type { SupervisorEvent } from '../worker/supervisor.js';

const STATES = {
  wait: 'llen',
  active: 'llen',
  prioritized: 'zcard',
  'waiting-children': 'zcard',
  completed: 'zcard',
  failed: 'zcard',
} as const;

/** A server that has not answered by then is away: who asks for metrics does not wait for it. */
const ANSWER_MS = 2000;

/** Prometheus metrics of a worker and its queue, served where the user said. */
export class MetricsServer {
  private readonly registry = new Registry();
  private readonly jobs = new Counter({
    name: 'samtrack_jobs_total',
    help: 'Jobs that this worker has had, by how that ended.',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  private readonly frames = new Counter({
    name: 'samtrack_frames_total',
    help: 'Frames that this worker has tracked.',
    registers: [this.registry],
  });
  private readonly busy = new Gauge({
    name: 'samtrack_worker_busy',
    help: '1 while this worker has a job.',
    registers: [this.registry],
  });
  private readonly rate = new Gauge({
    name: 'samtrack_frames_per_second',
    help: 'Frames per second of the job at work, or of the last one.',
    registers: [this.registry],
  });
  private readonly seconds = new Histogram({
    name: 'samtrack_job_seconds',
    help: 'Seconds a job took, from its start on this worker to its end there.',
    labelNames: ['outcome'],
    buckets: [0.1, 1, 5, 15, 60, 300, 900, 3600, 14_400],
    registers: [this.registry],
  });
  private tracked = 0;
  private server: Server | undefined;

  private constructor(redis: Redis, queue: string) {
    new Gauge({
      name: 'samtrack_queue_jobs',
      help: 'Jobs in the queue, by state.',
      labelNames: ['state'],
      registers: [this.registry],
      async collect() {
        // A server that is away answers later; then these lines are missing.
        if (redis.status !== 'ready') return this.reset();
        const names = Object.keys(STATES);
        const asking = Promise.all(
          Object.entries(STATES).map(([state, command]) => redis[command](`${PREFIX}:${queue}:${state}`)),
        );
        const late = sleep(ANSWER_MS, undefined, { ref: false });
        const counts = await Promise.race([asking, late]).catch(() => undefined);
        if (!counts) return this.reset();
        for (const [i, state] of names.entries()) this.set({ state }, counts[i]!);
      },
    });
  }

  static async open(at: { host: string; port: number }, redis: Redis, queue: string): Promise<MetricsServer> {
    const metrics = new MetricsServer(redis, queue);
    const { registry } = metrics;
    const server = createServer(async (request, response) => {
      if (request.url !== '/metrics') return response.writeHead(404).end();
      try {
        const text = await registry.metrics();
        response.writeHead(200, { 'content-type': registry.contentType }).end(text);
      } catch (error) {
        response.writeHead(500).end(`${(error as Error).message}\n`);
      }
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(at.port, at.host, resolve);
    }).catch((cause) => {
      throw new FarmError('bad-spec', `--metrics ${at.host}:${at.port}`, (cause as Error).message, { cause });
    });
    metrics.server = server;
    return metrics;
  }

  get url(): string {
    const { address, port } = this.server!.address() as AddressInfo;
    return `http://${address}:${port}/metrics`;
  }

  take(event: SupervisorEvent): void {
    if (event.type === 'start') {
      this.busy.set(1);
      this.tracked = 0;
    }
    if (event.type === 'progress') {
      const { tracked, seconds } = event.progress;
      // Work that goes through a video twice counts from 0 again.
      this.frames.inc(tracked < this.tracked ? tracked : tracked - this.tracked);
      this.tracked = tracked;
      if (seconds > 0) this.rate.set(tracked / seconds);
    }
    if (event.type === 'end') {
      this.busy.set(0);
      const outcome = event.outcome.status;
      this.jobs.inc({ outcome });
      this.seconds.observe({ outcome }, event.seconds);
    }
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server!.close(() => resolve());
      this.server!.closeAllConnections();
    });
  }
}
