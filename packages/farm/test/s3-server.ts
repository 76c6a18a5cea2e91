/** As much of S3 as the storage uses, in memory: conditional put, get, list by prefix and delimiter, delete. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export class S3Server {
  readonly objects = new Map<string, Buffer>();
  /** Answers instead of serving: `503` is away, `507` is full. */
  failure: number | undefined;
  /** So many conditional writes are told that they have met another one. */
  conflicts = 0;

  /** Which requests are held back until `release`, as by a storage that does not answer. */
  hold: (method: string, name: string) => boolean = () => false;
  private held: { name: string; socket: Socket; go: () => void }[] = [];
  /** Connections whose other end is gone. */
  private readonly gone = new WeakSet<Socket>();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<S3Server> {
    const server = createServer();
    const s3 = new S3Server(server);
    const { gone } = s3;
    server.on('connection', (socket) => socket.on('end', () => gone.add(socket)).on('close', () => gone.add(socket)));
    server.on('request', async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece);
      const url = new URL(request.url!, 'http://s3');
      const name = decodeURIComponent(url.pathname.slice(1));
      const { method, socket } = request;
      if (s3.hold(method!, name)) await new Promise<void>((go) => s3.held.push({ name, socket, go }));
      // Who asked may be gone by now: a killed worker's writes do not come to pass.
      if (gone.has(socket)) return response.destroy();
      if (s3.failure && !(s3.failure === 507 && request.method !== 'PUT')) {
        return error(response, s3.failure, s3.failure === 507 ? 'QuotaExceeded' : 'ServiceUnavailable');
      }
      if (request.method === 'GET' && url.searchParams.has('list-type'))
        return s3.list(name, url.searchParams, response);
      if (request.method === 'PUT') {
        if (request.headers['if-none-match'] === '*' && s3.conflicts > 0) {
          s3.conflicts--;
          return error(response, 409, 'ConditionalRequestConflict');
        }
        if (request.headers['if-none-match'] === '*' && s3.objects.has(name))
          return error(response, 412, 'PreconditionFailed');
        s3.objects.set(name, Buffer.concat(pieces));
        return response.writeHead(200, { etag: '"1"' }).end();
      }
      if (request.method === 'DELETE') {
        s3.objects.delete(name);
        return response.writeHead(204).end();
      }
      const found = s3.objects.get(name);
      if (!found) return error(response, 404, 'NoSuchKey');
      response.writeHead(200, { 'content-length': found.length, etag: '"1"' }).end(found);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return s3;
  }

  /** URL of a storage in a bucket. */
  url(path: string): string {
    return `s3://${path}?endpoint=http://127.0.0.1:${(this.server.address() as AddressInfo).port}&region=us-east-1`;
  }

  /** What is held back now, and still waited for. */
  get waiting(): string[] {
    return this.held.filter(({ socket }) => !this.gone.has(socket)).map(({ name }) => name);
  }

  /** Lets everything go on, and holds nothing back any more. */
  release(): void {
    this.hold = () => false;
    for (const { go } of this.held.splice(0)) go();
  }

  private list(bucket: string, query: URLSearchParams, response: ServerResponse): void {
    const prefix = `${bucket.replace(/\/$/, '')}/${query.get('prefix') ?? ''}`;
    const rest = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length));
    const skip = bucket.replace(/\/$/, '').length + 1;
    const files = rest.filter((name) => !name.includes('/')).sort();
    const folders = [...new Set(rest.filter((name) => name.includes('/')).map((name) => name.split('/')[0]))].sort();
    // Pages of three, so that going on is seen.
    const from = Number(query.get('continuation-token') ?? 0);
    const page = files.slice(from, from + 3);
    const more = from + 3 < files.length;
    const xml = [
      ...page.map((name) => `<Contents><Key>${prefix.slice(skip)}${name}</Key></Contents>`),
      ...(from === 0
        ? folders.map((name) => `<CommonPrefixes><Prefix>${prefix.slice(skip)}${name}/</Prefix></CommonPrefixes>`)
        : []),
      `<IsTruncated>${more}</IsTruncated>`,
      ...(more ? [`<NextContinuationToken>${from + 3}</NextContinuationToken>`] : []),
    ].join('');
    response.writeHead(200, { 'content-type': 'application/xml' }).end(`<ListBucketResult>${xml}</ListBucketResult>`);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function error(response: ServerResponse, status: number, code: string): void {
  response
    .writeHead(status, { 'content-type': 'application/xml' })
    .end(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}
