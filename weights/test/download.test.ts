import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WeightsError } from '../src/index.js';
import { type DownloadOptions, type DownloadProgress, download } from '../src/node.js';
import { type Handler, listen, sendFile, sendThenDrop, serve, shut, type TestServer } from './server.js';

const file = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7919) >> 3);
const sha256 = createHash('sha256').update(file).digest('hex');

let folder: string;
let path: string;
let server: TestServer | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weights-'));
  path = join(folder, 'cache', 'file.bin');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true });
});

/** Downloads from a scripted server, quick to retry. */
async function fetchFrom(handler: Handler, options: DownloadOptions = {}) {
  await server?.close();
  server = await serve(handler);
  return download(server.url, path, { retryDelay: 1, ...options });
}

async function expectWhole(): Promise<void> {
  expect(Buffer.compare(await readFile(path), file)).toBe(0);
  expect(existsSync(`${path}.part`)).toBe(false);
  expect(existsSync(`${path}.part.json`)).toBe(false);
  expect(existsSync(`${path}.lock`)).toBe(false);
}

const good: Handler = (request, response) => sendFile(request, response, file);

describe('a good server', () => {
  it('gives the file, its size and its hash', async () => {
    const progress: DownloadProgress[] = [];
    const result = await fetchFrom(good, { size: file.length, sha256, onProgress: (p) => progress.push(p) });
    expect(result).toEqual({ path, bytes: file.length, sha256 });
    expect(progress.at(-1)).toEqual({ bytes: file.length, total: file.length });
    await expectWhole();
  });

  it('may redirect', async () => {
    await fetchFrom((request, response) => {
      if (request.url === '/file.bin') response.writeHead(302, { Location: '/elsewhere' }).end();
      else good(request, response, 0);
    });
    await expectWhole();
  });

  it('may send chunks without a length', async () => {
    await fetchFrom((_, response) => {
      response.write(file.subarray(0, 1000));
      response.end(file.subarray(1000));
    });
    await expectWhole();
  });
});

describe('a connection that breaks', () => {
  it('is resumed where it broke', async () => {
    await fetchFrom(
      (request, response, count) => {
        if (count < 2) sendThenDrop(request, response, file, 100_000);
        else good(request, response, count);
      },
      { sha256 },
    );
    expect(server!.ranges).toEqual([undefined, 'bytes=100000-', 'bytes=200000-']);
    await expectWhole();
  });

  it('is resumed by a later call', async () => {
    const failing = fetchFrom(
      (request, response, count) => {
        if (count === 0) sendThenDrop(request, response, file, 100_000);
        else request.socket.destroy();
      },
      { retries: 1 },
    );
    await expect(failing).rejects.toMatchObject({
      name: 'WeightsError',
      code: 'network',
      message: expect.stringContaining('100000 bytes are kept'),
    });
    expect((await stat(`${path}.part`)).size).toBe(100_000);
    // The same URL again: a server at the same port.
    const { url } = server!;
    await server!.close();
    const again = createServer((request, response) => {
      expect(request.headers.range).toBe('bytes=100000-');
      expect(request.headers['if-range']).toBe('"1"');
      sendFile(request, response, file);
    });
    await new Promise<void>((resolve) => again.listen(Number(new URL(url).port), '127.0.0.1', resolve));
    await download(url, path, { sha256 });
    await shut(again);
    await expectWhole();
  });

  it('is not resumed from another URL', async () => {
    await expect(
      fetchFrom((request, response) => sendThenDrop(request, response, file, 50_000), { retries: 0 }),
    ).rejects.toMatchObject({ code: 'network' });
    await fetchFrom(good, { sha256 });
    expect(server!.ranges).toEqual([undefined]);
    await expectWhole();
  });

  it('starts again if the file has changed meanwhile', async () => {
    await fetchFrom(
      (request, response, count) => {
        if (count === 0) sendThenDrop(request, response, new Uint8Array(file.length), 100_000);
        else sendFile(request, response, file, '"2"');
      },
      { sha256 },
    );
    await expectWhole();
  });

  it('starts again from a server that ignores ranges', async () => {
    await fetchFrom(
      (request, response, count) => {
        if (count === 0) sendThenDrop(request, response, file, 100_000);
        else response.writeHead(200, { 'Content-Length': file.length }).end(file);
      },
      { sha256 },
    );
    await expectWhole();
  });

  it('starts again from a server that sends another range', async () => {
    await fetchFrom(
      (request, response, count) => {
        if (count === 0) sendThenDrop(request, response, file, 100_000);
        else if (request.headers.range) {
          response.writeHead(206, { 'Content-Range': `bytes 0-${file.length - 1}/${file.length}` }).end(file);
        } else good(request, response, count);
      },
      { sha256 },
    );
    await expectWhole();
  });

  it('gives up when nothing arrives any more', async () => {
    const failing = fetchFrom((request) => request.socket.destroy(), { retries: 2 });
    await expect(failing).rejects.toMatchObject({ code: 'network', file: path });
    expect(server!.ranges).toHaveLength(3);
  });

  it('gives up on a silent server', async () => {
    await expect(fetchFrom(() => undefined, { retries: 0, timeout: 300 })).rejects.toMatchObject({ code: 'network' });
  });
});

describe('416', () => {
  it('means complete when the part has the size of the file', async () => {
    await fetchFrom(
      (request, response, count) => {
        // Everything arrives, but without a length, and the connection breaks before the end is certain.
        if (count > 0) return good(request, response, count);
        response.writeHead(200, { ETag: '"1"' });
        response.write(file, () => setTimeout(() => request.socket.destroy(), 20));
      },
      { sha256 },
    );
    expect(server!.ranges).toEqual([undefined, `bytes=${file.length}-`]);
    await expectWhole();
  });

  it('means start again when the part is longer than the file', async () => {
    await fetchFrom(
      (request, response, count) => {
        if (count > 0) return good(request, response, count);
        response.writeHead(200);
        response.write(new Uint8Array(file.length + 5), () => setTimeout(() => request.socket.destroy(), 20));
      },
      { sha256 },
    );
    expect(server!.ranges).toEqual([undefined, `bytes=${file.length + 5}-`, undefined]);
    await expectWhole();
  });
});

describe('a wrong answer', () => {
  const page = '<!doctype html><html><head><title>Sign in</title></head></html>';
  const html: Handler = (_, response) =>
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page);

  it.each<[string, Handler, DownloadOptions, Partial<WeightsError>]>([
    ['404', (_, r) => r.writeHead(404).end(), {}, { code: 'http-status', status: 404 }],
    ['403', (_, r) => r.writeHead(403).end(), {}, { code: 'http-status', status: 403 }],
    ['416 at once', (_, r) => r.writeHead(416).end(), {}, { code: 'http-status', status: 416 }],
    ['503 that stays', (_, r) => r.writeHead(503).end(), { retries: 1 }, { code: 'network' }],
    ['a page', html, {}, { code: 'html', message: expect.stringContaining('"Sign in"') as unknown as string }],
    [
      'another size',
      good,
      { size: file.length - 1 },
      { code: 'wrong-size', expected: file.length - 1, actual: file.length },
    ],
    ['another hash', good, { sha256: '0'.repeat(64) }, { code: 'wrong-hash', actual: sha256 }],
    ['nothing', (_, r) => r.end(), {}, { code: 'truncated' }],
    [
      'a file cut short',
      (_, r) => r.write(file.subarray(0, 500), () => r.end()),
      { size: file.length, retries: 1 },
      { code: 'truncated' },
    ],
  ])('%s', async (_, handler, options, error) => {
    await expect(fetchFrom(handler, options)).rejects.toMatchObject({ name: 'WeightsError', file: path, ...error });
    expect(existsSync(path)).toBe(false);
  });

  it('a file that is complete for the server and still too short', async () => {
    const short = file.subarray(0, 500);
    const failing = fetchFrom(
      (request, response, count) => {
        if (count === 0) response.write(short, () => response.end());
        else sendFile(request, response, short);
      },
      { size: file.length },
    );
    await expect(failing).rejects.toMatchObject({ code: 'truncated', expected: file.length, actual: 500 });
  });

  it('a file that the server knows to be shorter', async () => {
    const failing = fetchFrom((request, response) => sendFile(request, response, file.subarray(0, 500)), {
      size: file.length,
    });
    await expect(failing).rejects.toMatchObject({ code: 'truncated', expected: file.length, actual: 500 });
    expect(server!.ranges).toHaveLength(1);
  });

  it('a stream without end is cut off', async () => {
    const failing = fetchFrom(
      (_, response) => {
        const more = (): void => void (response.writable && response.write(file, more));
        more();
      },
      { size: file.length + 1 },
    );
    await expect(failing).rejects.toMatchObject({ code: 'wrong-size', expected: file.length + 1 });
    expect(existsSync(`${path}.part`)).toBe(false);
  }, 10_000);

  it('does not leave a file with another hash to be resumed', async () => {
    await expect(fetchFrom(good, { sha256: '0'.repeat(64) })).rejects.toBeInstanceOf(WeightsError);
    expect(existsSync(`${path}.part`)).toBe(false);
  });
});

describe('Google Drive', () => {
  const question = `<html><body>Google Drive can't scan this file for viruses.
    <form id="download-form" action="/download?a=1&amp;b=2" method="get">
    <input type="submit" value="Download anyway"/><input type="hidden" name="id" value="XYZ">
    <input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="12-&amp;34"></form></body></html>`;
  const ask: Handler = (_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(question);

  it('is answered when it asks for confirmation', async () => {
    let asked = '';
    await fetchFrom(
      (request, response, count) => {
        if (!request.url!.startsWith('/download')) return ask(request, response, count);
        asked = request.url!;
        good(request, response, count);
      },
      { sha256 },
    );
    expect(asked).toBe('/download?a=1&b=2&id=XYZ&confirm=t&uuid=12-%2634');
    await expectWhole();
  });

  it('is not answered twice', async () => {
    await expect(fetchFrom(ask)).rejects.toMatchObject({ code: 'html' });
    expect(server!.ranges).toHaveLength(2);
  });

  it('may be over its quota', async () => {
    const quota: Handler = (_, response) =>
      response
        .writeHead(200, { 'Content-Type': 'text/html' })
        .end(
          '<title>Google Drive - Quota exceeded</title>Too many users have viewed or downloaded this file recently.',
        );
    await expect(fetchFrom(quota)).rejects.toMatchObject({ code: 'quota' });
  });
});

describe('stopping', () => {
  it('keeps what has arrived, and a later call resumes', async () => {
    const controller = new AbortController();
    const stopped = fetchFrom(
      (request, response, count) => {
        if (count > 0) return good(request, response, count);
        response.writeHead(200, { 'Content-Length': file.length, ETag: '"1"' });
        response.write(file.subarray(0, 100_000));
      },
      { signal: controller.signal, onProgress: () => setTimeout(() => controller.abort(new Error('enough')), 50) },
    );
    await expect(stopped).rejects.toThrow('enough');
    expect(existsSync(`${path}.lock`)).toBe(false);
    const kept = (await stat(`${path}.part`)).size;
    expect(kept).toBeGreaterThan(0);
    await download(server!.url, path, { sha256 });
    expect(server!.ranges[1]).toBe(`bytes=${kept}-`);
    await expectWhole();
  });

  it('works while waiting for a retry', async () => {
    const controller = new AbortController();
    const stopped = fetchFrom(
      (request) => {
        request.socket.destroy();
        setTimeout(() => controller.abort(new Error('enough')), 20);
      },
      { signal: controller.signal, retryDelay: 60_000 },
    );
    await expect(stopped).rejects.toThrow('enough');
  });

  it('before the start makes no request', async () => {
    await expect(fetchFrom(good, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    expect(server!.ranges).toHaveLength(0);
  });
});

describe('the cache folder', () => {
  it('is refused to a second process while the first is alive', async () => {
    await fetchFrom(good);
    await writeFile(`${path}.lock`, String(process.ppid));
    await expect(fetchFrom(good)).rejects.toMatchObject({ code: 'busy' });
    await writeFile(`${path}.lock`, '999999999');
    await fetchFrom(good, { sha256 });
    await expectWhole();
  });

  it('that cannot be made is an error of the disk', async () => {
    await writeFile(join(folder, 'cache'), 'a file stands where the folder should be');
    await expect(fetchFrom(good)).rejects.toMatchObject({ code: 'disk' });
  });

  it.skipIf(process.getuid?.() === 0)('that cannot be written is an error of the disk', async () => {
    await chmod(folder, 0o500);
    await expect(fetchFrom(good)).rejects.toMatchObject({ code: 'disk' });
    await chmod(folder, 0o700);
  });
});

describe('a proxy', () => {
  it('of the environment is used, unless NO_PROXY names the host', async () => {
    server = await serve(good);
    const { host } = new URL(server.url);
    const tunnels: string[] = [];
    const proxy = createServer();
    proxy.on('connect', (request, socket, head) => {
      tunnels.push(request.url!);
      const upstream = connect(Number(new URL(server!.url).port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        upstream.write(head);
        upstream.pipe(socket).pipe(upstream);
      });
      socket.on('error', () => upstream.destroy());
    });
    const port = await listen(proxy);
    for (const name of ['HTTP_PROXY', 'http_proxy']) vi.stubEnv(name, `http://127.0.0.1:${port}`);
    for (const name of ['NO_PROXY', 'no_proxy']) vi.stubEnv(name, '');
    await download(server.url, path, { sha256 });
    expect(tunnels).toEqual([host]);
    for (const name of ['NO_PROXY', 'no_proxy']) vi.stubEnv(name, '127.0.0.1');
    await download(server.url, path, { sha256 });
    expect(tunnels).toHaveLength(1);
    await shut(proxy);
    await expectWhole();
  });
});
