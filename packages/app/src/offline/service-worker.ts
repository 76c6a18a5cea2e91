/**
 * Keeps the files of a build, so that the page works without a network. A build is taken as a whole: its files are fetched when it is
 * installed, and the ones before are dropped when no tab uses them any more.
 */
declare const FILES: readonly string[];
declare const VERSION: string;

/** What TypeScript's library for pages does not know of a service worker. */
interface ServiceWorkerScope {
  readonly location: Location;
  readonly registration: { readonly scope: string };
  addEventListener(type: 'install' | 'activate', listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
}
interface ExtendableEvent {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const scope = self as unknown as ServiceWorkerScope;
const cacheName = `samtrack ${VERSION}`;

scope.addEventListener('install', (event) => {
  event.waitUntil(
    caches.open(cacheName).then((cache) =>
      // Past the browser's own cache, which may hold files of another build.
      cache.addAll(['./', ...FILES].map((file) => new Request(file, { cache: 'reload' }))),
    ),
  );
});

scope.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((other) => other !== cacheName).map((other) => caches.delete(other)))),
  );
});

scope.addEventListener('fetch', (event) => {
  const { method, url, mode } = event.request;
  if (method !== 'GET' || !url.startsWith(scope.registration.scope)) return;
  event.respondWith(answer(event.request, mode === 'navigate'));
});

async function answer(request: Request, page: boolean): Promise<Response> {
  const cache = await caches.open(cacheName);
  const exact = await cache.match(request, { ignoreSearch: true, ignoreVary: true });
  const kept = exact ?? (page ? await cache.match('index.html') : undefined);
  if (!kept) {
    const response = await fetch(request);
    // Too large for those who have a GPU; who has none keeps it from its first use on.
    if (response.ok && new URL(request.url).pathname.includes('/ort/')) await cache.put(request, response.clone());
    return response;
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get('range') ?? '');
  if (!range) return kept;
  const bytes = await kept.arrayBuffer();
  const start = Number(range[1]);
  const end = range[2] ? Math.min(bytes.byteLength - 1, Number(range[2])) : bytes.byteLength - 1;
  return new Response(bytes.slice(start, end + 1), {
    status: 206,
    headers: {
      'content-type': kept.headers.get('content-type') ?? 'application/octet-stream',
      'content-length': String(end - start + 1),
      'content-range': `bytes ${start}-${end}/${bytes.byteLength}`,
    },
  });
}
