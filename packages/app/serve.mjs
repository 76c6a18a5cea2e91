// Serves the built page to this machine: localhost is a secure context, which WebGPU wants.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, resolve, sep } from 'node:path';
import { headersFor } from './headers.mjs';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.jpg': 'image/jpeg',
  '.png': 'image/png',
  '.mp4': 'video/mp4',
  '.wasm': 'application/wasm',
};

/** Start and end of a range request, inclusive; undefined for the whole file, null for one outside of it. */
function rangeOf(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (!match[1] && !match[2])) return undefined;
  const start = match[1] ? Number(match[1]) : Math.max(0, size - Number(match[2]));
  const end = match[1] && match[2] ? Math.min(size - 1, Number(match[2])) : size - 1;
  return start <= end && start < size ? { start, end } : null;
}

/**
 * @param {string} folder what to serve
 * @param {number} port 0: any that is free
 * @returns the server, and its origin
 */
export async function serveFolder(folder, port = 0) {
  const root = resolve(folder);
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const headers = headersFor(pathname);
    const refuse = (status) => response.writeHead(status, headers).end();
    let file;
    let size;
    try {
      file = resolve(join(root, decodeURIComponent(pathname.endsWith('/') ? `${pathname}index.html` : pathname)));
      const found = file.startsWith(root + sep) ? statSync(file) : undefined;
      if (!found?.isFile()) return refuse(404);
      size = found.size;
    } catch {
      return refuse(404);
    }
    const range = rangeOf(request.headers.range, size);
    if (range === null) return refuse(416);
    const { start, end } = range ?? { start: 0, end: size - 1 };
    response.writeHead(range ? 206 : 200, {
      ...headers,
      'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
      'Content-Length': end - start + 1,
      'Accept-Ranges': 'bytes',
      ...(range ? { 'Content-Range': `bytes ${start}-${end}/${size}` } : {}),
    });
    if (request.method === 'HEAD' || size === 0) return response.end();
    createReadStream(file, { start, end }).pipe(response);
  });
  server.listen(port, '127.0.0.1');
  await new Promise((listening, failed) => server.once('listening', listening).once('error', failed));
  return { server, origin: `http://localhost:${server.address().port}` };
}
