import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void;

export interface TestServer {
  readonly url: string;
  /** Range header of every request, in order. */
  readonly ranges: (string | undefined)[];
  close(): Promise<void>;
}

/** A local HTTP server with a scripted answer to each request. */
export async function serve(handler: Handler): Promise<TestServer> {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    handler(request, response, ranges.length - 1);
  });
  const port = await listen(server);
  return { url: `http://127.0.0.1:${port}/file.bin`, ranges, close: () => shut(server) };
}

export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

export function shut(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.closeAllConnections();
    server.close(() => resolve());
  });
}

/** Answers as a good server does: whole, or the range asked for, or 416. */
export function sendFile(request: IncomingMessage, response: ServerResponse, file: Uint8Array, etag = '"1"'): void {
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const ifRange = request.headers['if-range'];
  if (!match || (ifRange && ifRange !== etag)) {
    response.writeHead(200, { 'Content-Length': file.length, ETag: etag }).end(file);
    return;
  }
  const start = Number(match[1]);
  if (start >= file.length) {
    response.writeHead(416, { 'Content-Range': `bytes */${file.length}` }).end();
    return;
  }
  const rest = file.subarray(start);
  response
    .writeHead(206, {
      'Content-Length': rest.length,
      'Content-Range': `bytes ${start}-${file.length - 1}/${file.length}`,
      ETag: etag,
    })
    .end(rest);
}

/** Sends so many bytes of what `sendFile` would send, then cuts the connection. */
export function sendThenDrop(
  request: IncomingMessage,
  response: ServerResponse,
  file: Uint8Array,
  bytes: number,
): void {
  const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const headers: Record<string, string | number> = { 'Content-Length': file.length - start, ETag: '"1"' };
  if (request.headers.range) headers['Content-Range'] = `bytes ${start}-${file.length - 1}/${file.length}`;
  response.writeHead(request.headers.range ? 206 : 200, headers);
  response.write(file.subarray(start, start + bytes), () => setTimeout(() => request.socket.destroy(), 20));
}
