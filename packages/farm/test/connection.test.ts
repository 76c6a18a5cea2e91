/** Redis behind a password and TLS. */
import { readFileSync } from 'node:fs';
import { createServer as createWebServer, type Server as WebServer } from 'node:http';
import { connect as connectPlain, createServer as createMute } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { farmAddress } from '../src/cli/options.js';
import { connect, redisError } from '../src/queue/connection.js';
import { hasRedis, TestRedis } from './redis.js';

// Made for this test with `openssl req -x509`, for localhost and 127.0.0.1.
const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const [certificate, key] = ['loopback.crt', 'loopback.key'].map((name) => readFileSync(fixture(name), 'utf8'));
const PASSWORD = 'correct horse/battery:staple';

describe.skipIf(!hasRedis)('the way to Redis', () => {
  let redis: TestRedis;
  let front: Server;
  let secure: string;
  let other: WebServer;
  let web: string;

  beforeAll(async () => {
    redis = await TestRedis.start(PASSWORD);
    // Debian's and others' builds of Redis have TLS or not: the test brings its own.
    front = createServer({ cert: certificate!, key: key! }, (socket) => {
      const plain = connectPlain(redis.port, '127.0.0.1');
      socket.pipe(plain).pipe(socket);
      socket.on('error', () => plain.destroy());
      plain.on('error', () => socket.destroy());
    });
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    secure = `rediss://127.0.0.1:${(front.address() as { port: number }).port}`;
    other = createWebServer((_, response) => response.end('hello'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    web = `redis://127.0.0.1:${(other.address() as { port: number }).port}`;
  });
  afterAll(async () => {
    other.close();
    front.close();
    await redis.stop();
  });

  const ping = async (address: Parameters<typeof connect>[0]) => {
    const client = await connect(address);
    try {
      return await client.ping();
    } finally {
      client.disconnect();
    }
  };

  it('goes through TLS with a certificate authority of its own, and a password', async () => {
    expect(await ping({ redis: secure, queue: '', password: PASSWORD, ca: certificate! })).toBe('PONG');
  });

  it('takes the password from the URL or the environment, and the authority from a file', async () => {
    const encoded = encodeURIComponent(PASSWORD);
    expect(await ping({ redis: `redis://:${encoded}@127.0.0.1:${redis.port}`, queue: '' })).toBe('PONG');
    process.env.SAMTRACK_REDIS_PASSWORD = PASSWORD;
    const address = farmAddress({ storage: 'x', redis: secure, 'redis-ca': fixture('loopback.crt') });
    delete process.env.SAMTRACK_REDIS_PASSWORD;
    expect(await ping(address)).toBe('PONG');
  });

  it('takes a user from the URL and the password from the environment', async () => {
    const admin = await connect({ redis: redis.url, queue: '', password: PASSWORD });
    await admin.call('ACL', 'SETUSER', 'jo@lab', 'on', `>${PASSWORD}2`, '~*', '&*', '+@all');
    admin.disconnect();
    const url = `redis://jo%40lab@127.0.0.1:${redis.port}/3`;
    expect(await ping({ redis: url, queue: '', password: `${PASSWORD}2` })).toBe('PONG');
    await expect(ping({ redis: url, queue: '', password: PASSWORD })).rejects.toThrow(/WRONGPASS/);
  });

  it.each<[string, () => Parameters<typeof connect>[0], RegExp]>([
    ['a wrong password', () => ({ redis: redis.url, queue: '', password: 'wrong' }), /WRONGPASS|invalid password/i],
    ['no password', () => ({ redis: redis.url, queue: '' }), /NOAUTH/],
    ['an unknown authority', () => ({ redis: secure, queue: '', password: PASSWORD }), /self.signed certificate/],
    ['something else', () => ({ redis: 'http://127.0.0.1', queue: '' }), /not a URL such as redis:\/\//],
    ['a port that there is not', () => ({ redis: 'redis://127.0.0.1:99999', queue: '' }), /not a URL such as/],
    ['no such database', () => ({ redis: `${redis.url}/99`, queue: '', password: PASSWORD }), /DB index/],
    ['a database without a number', () => ({ redis: `${redis.url}/jobs`, queue: '' }), /"jobs" is not the number/],
    ['another kind of server', () => ({ redis: web, queue: '' }), /what answers there is not Redis/],
  ])('says what is wrong: %s', async (_, address, message) => {
    const failing = connect(address());
    await expect(failing).rejects.toMatchObject({ name: 'FarmError', code: 'no-redis' });
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.not.toThrow(PASSWORD);
  });

  it('does not wait for a server that never answers', async () => {
    const mute = createMute(() => {});
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as { port: number };
    await expect(connect({ redis: `redis://127.0.0.1:${port}`, queue: '' }, { answerMs: 200 })).rejects.toThrow(
      /no answer in 0.2 s/,
    );
    mute.close();
  });

  it('tells of a server without memory, and of a file that is not there, without a stack', async () => {
    const client = await connect({ redis: redis.url, queue: '', password: PASSWORD });
    await client.config('SET', 'maxmemory', '1');
    const refused = await client.set('x', 'y').catch((error) => redisError(redis.url, error));
    await client.config('SET', 'maxmemory', '0');
    client.disconnect();
    expect(refused).toMatchObject({
      code: 'no-redis',
      message: expect.stringMatching(/has no memory left \(OOM [^)]*\)$/),
    });
    const options = { storage: 'x', redis: secure, 'redis-ca': '/no/such.pem' };
    expect(() => farmAddress(options)).toThrow(/--redis-ca \/no\/such.pem: ENOENT/);
  });
});
