import { readFile, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, resolve, sep } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** What a page may ask for, by path: texts, or files and folders of this machine. */
export interface Served {
  readonly texts: Readonly<Record<string, string>>;
  /** A path that ends in a slash is a folder. */
  readonly files: Readonly<Record<string, string>>;
  /** Sent with every answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Serves to this machine only. Pages are isolated from other origins, which gives them threads in WebAssembly and clocks
 * that count in microseconds.
 * @returns The server and its origin, `http://localhost:PORT`: WebGPU wants a secure context, which localhost is.
 */
export async function serve({ texts, files, headers = {} }: Served): Promise<{ server: Server; origin: string }> {
  const server = createServer(async (request, response) => {
    response.setHeader('cross-origin-opener-policy', 'same-origin');
    response.setHeader('cross-origin-embedder-policy', 'require-corp');
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const { pathname } = new URL(request.url!, 'http://localhost');
    const content = texts[pathname] ?? (await fileContent(files, pathname).catch(() => undefined));
    const type = TYPES[extname(pathname) || '.html'] ?? 'application/octet-stream';
    response.writeHead(content === undefined ? 404 : 200, { 'content-type': type }).end(content);
  }).listen(0, '127.0.0.1');
  await new Promise((listening, failed) => server.once('listening', listening).once('error', failed));
  return { server, origin: `http://localhost:${(server.address() as AddressInfo).port}` };
}

/** @throws An error of any kind for what is not there. */
async function fileContent(files: Served['files'], path: string): Promise<Buffer | undefined> {
  const pathname = decodeURIComponent(path).replace(/\/$/, '/index.html');
  const exact = files[pathname];
  if (exact) return readFile(exact);
  for (const [prefix, folder] of Object.entries(files)) {
    if (!prefix.endsWith('/') || !pathname.startsWith(prefix)) continue;
    const file = resolve(join(folder, pathname.slice(prefix.length)));
    if (file.startsWith(resolve(folder) + sep) && (await stat(file)).isFile()) return readFile(file);
  }
  return undefined;
}
