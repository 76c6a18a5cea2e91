import { Redis } from 'ioredis';
import { FarmError } from '../errors.js';

/** Where the queue is. */
export interface QueueAddress {
  /** `redis://[user:password@]host:port/db`, `rediss://` for TLS. */
  redis: string;
  /** Name of the queue; a server may have several. */
  queue: string;
  /** Instead of one in the URL. */
  password?: string;
  /** Certificate authority of the server, PEM. */
  ca?: string;
}

export const DEFAULT_REDIS = 'redis://127.0.0.1:6379';
export const DEFAULT_QUEUE = 'jobs';

/** All keys of the farm begin with it; in braces, so that a cluster keeps them together. */
export const PREFIX = '{samtrack}';

/** A URL without its password, for messages. */
function redacted(url: string): string {
  try {
    const parsed = new URL(url);
    if (parsed.password) parsed.password = '***';
    return parsed.href;
  } catch {
    return url;
  }
}

/** What ioredis takes for user and password: of a URL with a user but without a password it would take none. */
function credentialsOf(url: string, password: string | undefined): { username?: string; password?: string } {
  if (password === undefined) return {};
  const { username } = new URL(url);
  return { password, ...(username && { username: decodeURIComponent(username) }) };
}

/** A URL without user and password. */
function bare(url: string): string {
  const parsed = new URL(url);
  parsed.username = '';
  parsed.password = '';
  return parsed.href;
}

/**
 * Connects to Redis, or Valkey.
 * @param patient waits for a server that is away, for ever, then and later; otherwise that is an error
 * @throws FarmError `no-redis`
 */
export async function connect({ redis: url, password, ca }: QueueAddress, { patient = false } = {}): Promise<Redis> {
  if (!/^rediss?:\/\//.test(url))
    throw new FarmError('no-redis', url, 'not a URL that begins with redis:// or rediss://');
  const redis = new Redis(password === undefined ? url : bare(url), {
    lazyConnect: true,
    // BullMQ wants commands to wait for the server.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => (patient ? Math.min(100 * times, 2000) : null),
    ...credentialsOf(url, password),
    ...(ca === undefined ? {} : { tls: { ca } }),
  });
  // Each command that fails says so itself; without a listener the process would end. Of several reasons the first is the one.
  let cause: Error | undefined;
  redis.on('error', (error) => {
    cause ??= error;
  });
  try {
    await redis.connect();
  } catch (error) {
    if (patient && redis.status !== 'end') return redis;
    redis.disconnect();
    throw new FarmError('no-redis', redacted(url), (cause ?? (error as Error)).message, { cause: error });
  }
  return redis;
}
