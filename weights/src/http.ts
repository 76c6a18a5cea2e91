import type { EnvHttpProxyAgent, Response } from 'undici';

export type { Response };

/** One GET; redirects are followed. */
export type Get = (url: string, headers: Record<string, string>, signal: AbortSignal | undefined) => Promise<Response>;

export interface HttpOptions {
  /** Longest silence of the server, in milliseconds. */
  readonly timeout: number;
}

/**
 * A client that goes through the proxy of `HTTPS_PROXY`/`HTTP_PROXY` (either case), except for hosts in `NO_PROXY`.
 * Node's own `fetch` knows nothing of these variables.
 */
export function openHttp({ timeout }: HttpOptions): { get: Get; close(): Promise<void> } {
  let dispatcher: EnvHttpProxyAgent | undefined;
  return {
    get: async (url, headers, signal) => {
      // Loaded by whoever downloads: it takes a tenth of a second, and most find their weights here.
      const undici = await import('undici');
      dispatcher ??= new undici.EnvHttpProxyAgent({
        headersTimeout: timeout,
        bodyTimeout: timeout,
        connect: { timeout },
      });
      return undici.fetch(url, {
        dispatcher,
        // identity: a compressed answer would have other lengths than the file.
        headers: { 'Accept-Encoding': 'identity', 'User-Agent': 'samtrack', ...headers },
        signal: signal ?? null,
      });
    },
    close: async () => dispatcher?.destroy(),
  };
}
