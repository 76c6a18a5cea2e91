import { readFileSync } from 'node:fs';
import { UsageError } from 'samtrack/cli';
import { DEFAULT_QUEUE, DEFAULT_REDIS, type QueueAddress } from '../queue/connection.js';

export const FARM_HELP = `Farm:
  --storage WHERE       where results go: a folder that all workers share, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME;
                        default $SAMTRACK_STORAGE
  --redis URL           Redis or Valkey: redis://USER@HOST:PORT/DB, rediss:// with TLS; default $SAMTRACK_REDIS or
                        ${DEFAULT_REDIS}; password in the URL or in $SAMTRACK_REDIS_PASSWORD
  --redis-ca FILE       certificate authority of the server (PEM)
  --queue NAME          the queue; default $SAMTRACK_QUEUE or ${DEFAULT_QUEUE}
`;

export const FARM_OPTIONS = {
  storage: { type: 'string' },
  redis: { type: 'string' },
  'redis-ca': { type: 'string' },
  queue: { type: 'string' },
} as const;

export interface FarmAddress extends QueueAddress {
  storage: string;
}

/** Where the farm is, from options and environment. @throws UsageError */
export function farmAddress(options: { [name in keyof typeof FARM_OPTIONS]?: string }): FarmAddress {
  const { SAMTRACK_STORAGE, SAMTRACK_REDIS, SAMTRACK_REDIS_PASSWORD, SAMTRACK_QUEUE } = process.env;
  const storage = options.storage ?? SAMTRACK_STORAGE;
  if (!storage) throw new UsageError('needs --storage, or SAMTRACK_STORAGE in the environment: where results go');
  const queue = options.queue ?? SAMTRACK_QUEUE ?? DEFAULT_QUEUE;
  if (!/^[\w.-]+$/.test(queue)) throw new UsageError(`--queue is letters, digits, ".", "_" and "-", not "${queue}"`);
  return {
    storage,
    queue,
    redis: options.redis ?? SAMTRACK_REDIS ?? DEFAULT_REDIS,
    ...(SAMTRACK_REDIS_PASSWORD ? { password: SAMTRACK_REDIS_PASSWORD } : {}),
    ...(options['redis-ca'] ? { ca: authority(options['redis-ca']) } : {}),
  };
}

function authority(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`--redis-ca ${file}: ${(error as Error).message}`);
  }
}
