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

/** Whoever has not answered by then is no Redis, or hangs. */
const ANSWER_MS = 15_000;

/** What a server, or the way to it, has to say, as an error that is told without a stack; others stay as they are. */
export function redisError(url: string, cause: unknown): unknown {
  const { name, message } = cause as Error;
  const what = /^OOM /.test(message)
    ? `has no memory left (${reasonOf(message)})`
    : /^Protocol error/.test(message)
      ? 'what answers there is not Redis'
      : message === 'Connection is closed.'
        ? 'the connection was closed'
        : name === 'ReplyError'
          ? reasonOf(message)
          : undefined;
  return what === undefined ? cause : new FarmError('no-redis', redacted(url), what, { cause });
}

/** What a server says, without the digest of the script that it says it of. */
export const reasonOf = (message: string) => message.replace(/\.? script: \w+, on @user_script:\d+\.?/, '');

function checked(url: string): void {
  const form = 'redis://HOST:PORT/DB, or rediss:// with TLS';
  if (!/^rediss?:\/\//.test(url)) throw new FarmError('no-redis', url, `not a URL such as ${form}`);
  if (!URL.canParse(url)) throw new FarmError('no-redis', url, `not a URL such as ${form}`);
  const { pathname } = new URL(url);
  if (!/^\/?\d*$/.test(pathname)) {
    throw new FarmError('no-redis', redacted(url), `"${pathname.slice(1)}" is not the number of a database: ${form}`);
  }
}

/**
 * Connects to Redis, or Valkey.
 * @param patient waits for a server that is away, for ever; `later`: once it was there; otherwise that is an error
 * @param answerMs how long its first answer is waited for
 * @throws FarmError `no-redis`
 */
export async function connect(
  { redis: url, password, ca }: QueueAddress,
  { patient = false, answerMs = ANSWER_MS }: { patient?: boolean | 'later'; answerMs?: number } = {},
): Promise<Redis> {
  checked(url);
  let waits = patient === true;
  const redis = new Redis(password === undefined ? url : bare(url), {
    lazyConnect: true,
    // BullMQ wants commands to wait for the server.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => (waits ? Math.min(100 * times, 2000) : null),
    ...credentialsOf(url, password),
    ...(ca === undefined ? {} : { tls: { ca } }),
  });
  // Each command that fails says so itself; without a listener the process would end. Of several reasons the first is the one.
  let cause: Error | undefined;
  redis.on('error', (error) => {
    cause ??= error;
  });
  const late = waits
    ? undefined
    : setTimeout(() => {
        cause ??= new Error(`no answer in ${answerMs / 1000} s`);
        redis.disconnect();
      }, answerMs);
  try {
    await redis.connect();
    // By itself the client would go on with database 0.
    if (!waits) await redis.select(redis.options.db ?? 0);
  } catch (error) {
    if (waits && redis.status !== 'end') return redis;
    redis.disconnect();
    const shown = redisError(url, cause ?? error);
    throw shown instanceof FarmError
      ? shown
      : new FarmError('no-redis', redacted(url), (shown as Error).message, { cause: shown });
  } finally {
    clearTimeout(late);
  }
  waits = patient !== false;
  return redis;
}
