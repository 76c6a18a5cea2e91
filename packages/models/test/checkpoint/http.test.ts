import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type LoadProgress, openCheckpoint, writeSafetensors } from '../../src/checkpoint/index.js';
import { openLocation } from '../../src/checkpoint/web/index.js';

const big = Float32Array.from({ length: 2_000_000 }, (_, i) => i);
const file = writeSafetensors([
  { key: 'big', dtype: 'f32', shape: [big.length], data: new Uint8Array(big.buffer) },
  { key: 'small', dtype: 'f32', shape: [1], data: new Uint8Array(Float32Array.of(42).buffer) },
]);

/** 70 tensors of 300 kB, each filled with its number: more than two pieces. */
const many = writeSafetensors(
  Array.from({ length: 70 }, (_, i) => ({
    key: String(i),
    dtype: 'f32' as const,
    shape: [75_000],
    data: new Uint8Array(new Float32Array(75_000).fill(i).buffer),
  })),
);

let close: (() => Promise<void>) | undefined;
afterEach(() => close?.());

async function serve(handler: (request: IncomingMessage, response: ServerResponse, count: number) => void) {
  let count = 0;
  let sent = 0;
  const server = createServer((request, response) => {
    const end = response.end.bind(response);
    response.end = ((body?: Uint8Array) => {
      sent += body?.length ?? 0;
      return body === undefined ? end() : end(body);
    }) as typeof response.end;
    handler(request, response, count++);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/w.safetensors`,
    count: () => count,
    sent: () => sent,
  };
}

function sendRange(
  request: IncomingMessage,
  response: ServerResponse,
  headers: Record<string, string> = {},
  content = file,
) {
  const [, start, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')!;
  const end = last ? Math.min(Number(last) + 1, content.length) : content.length;
  response.writeHead(206, { 'Content-Range': `bytes ${start}-${end - 1}/${content.length}`, ...headers });
  response.end(content.subarray(Number(start), end));
}

describe('a checkpoint behind a URL', () => {
  it('is read by range, and only what is needed', async () => {
    const { url, count, sent } = await serve((request, response) => sendRange(request, response));
    const checkpoint = await openCheckpoint(url);
    expect(sent()).toBe(1 << 20);
    expect([...(await checkpoint.read('small')).data]).toEqual([42]);
    // Not toEqual: it takes 20 seconds on two million floats.
    expect(Buffer.compare((await checkpoint.readRaw('big')).data, new Uint8Array(big.buffer))).toBe(0);
    expect(sent()).toBe(file.length);
    expect(count()).toBe(2);
  });

  it('is read whole from a server without ranges', async () => {
    const { url, count } = await serve((_, response) => response.end(file));
    const checkpoint = await openCheckpoint(url);
    expect([...(await checkpoint.read('small')).data]).toEqual([42]);
    expect(count()).toBe(1);
  });

  it.each([undefined, `bytes 0-1048575/*`])(
    'is read once from a server that answers a range with Content-Range %s',
    async (range) => {
      const { url, count, sent } = await serve((request, response) => {
        const [, start, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range!)!;
        response.writeHead(206, range ? { 'Content-Range': range } : {});
        response.end(file.subarray(Number(start), last ? Number(last) + 1 : undefined));
      });
      const checkpoint = await openCheckpoint(url);
      expect([...(await checkpoint.read('small')).data]).toEqual([42]);
      expect((await checkpoint.readRaw('big')).data.byteLength).toBe(big.byteLength);
      expect(count()).toBe(2);
      expect(sent()).toBe(file.length);
    },
  );

  // Models ask for their weights in an order of their own.
  it.each([
    ['with ranges', (request: IncomingMessage, response: ServerResponse) => sendRange(request, response)],
    ['without ranges', (_: IncomingMessage, response: ServerResponse) => response.end(many)],
  ])('no byte comes twice, whatever the order of reading, %s', async (name, handler) => {
    const { url, count, sent } = await serve((request, response) =>
      name === 'with ranges' ? sendRange(request, response, {}, many) : handler(request, response),
    );
    const seen: LoadProgress[] = [];
    const checkpoint = await openCheckpoint(url, { onProgress: (progress) => seen.push(progress) });
    const keys = [...checkpoint.keys].sort((a, b) => Math.sin(Number(a) * 99) - Math.sin(Number(b) * 99));
    for (const key of keys) expect((await checkpoint.read(key)).data[0]).toBe(Number(key));
    expect(sent()).toBe(many.length);
    expect(count()).toBeLessThanOrEqual(1 + Math.ceil(many.length / 2 ** 23));
    expect(seen.at(-1)).toEqual({ bytes: many.length, total: many.length });
    expect(seen.every(({ bytes }, i) => i === 0 || bytes > seen[i - 1]!.bytes)).toBe(true);
  });

  it('is opened in a browser too', async () => {
    const { url } = await serve((request, response) => sendRange(request, response));
    const source = await openLocation(new URL(url));
    expect(source).toMatchObject({ name: url, size: file.length });
    expect([...(await (await openCheckpoint(source)).read('small')).data]).toEqual([42]);
  });

  it('survives a server error and a dropped connection', async () => {
    const { url } = await serve((request, response, count) => {
      if (count === 0) response.writeHead(503).end();
      else if (count === 1) request.socket.destroy();
      else sendRange(request, response);
    });
    expect((await openCheckpoint(url)).keys).toEqual(['big', 'small']);
  });

  it.each<[string, (request: IncomingMessage, response: ServerResponse, count: number) => void, string]>([
    ['404', (_, response) => response.writeHead(404).end('<html>'), 'unreadable'],
    ['403', (_, response) => response.writeHead(403).end(), 'unreadable'],
    ['500 that stays', (_, response) => response.writeHead(500).end(), 'unreadable'],
    ['a connection that always drops', (request) => request.socket.destroy(), 'unreadable'],
    ['a page', (_, response) => response.end('<!doctype html><html>'), 'html'],
    ['an empty answer', (_, response) => response.end(), 'truncated'],
    ['416', (_, response) => response.writeHead(416).end(), 'unreadable'],
  ])('%s', async (_, handler, code) => {
    const { url } = await serve(handler);
    await expect(openCheckpoint(url)).rejects.toMatchObject({ name: 'CheckpointError', code, file: url });
  });

  it('notices that the file changed between two reads', async () => {
    const { url } = await serve((request, response, count) => {
      if (count < 1) sendRange(request, response, { ETag: '"one"' });
      else if (request.headers['if-range'] === '"one"') response.end('another file');
      else response.writeHead(500).end();
    });
    const checkpoint = await openCheckpoint(url);
    await expect(checkpoint.read('big')).rejects.toMatchObject({
      code: 'unreadable',
      message: expect.stringMatching(/changed/),
    });
  });

  it('stops when aborted in the middle', async () => {
    const controller = new AbortController();
    const { url } = await serve(() => controller.abort(new Error('enough')));
    await expect(openCheckpoint(url, { signal: controller.signal })).rejects.toThrow('enough');
  });
});
