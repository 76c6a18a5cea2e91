import { EnvHttpProxyAgent, type Response, fetch as undiciFetch } from 'undici';

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
  const dispatcher = new EnvHttpProxyAgent({ headersTimeout: timeout, bodyTimeout: timeout, connect: { timeout } });
  return {
    get: (url, headers, signal) =>
      // identity: a compressed answer would have other lengths than the file.
      undiciFetch(url, {
        dispatcher,
        headers: { 'Accept-Encoding': 'identity', 'User-Agent': 'samtrack', ...headers },
        signal: signal ?? null,
      }),
    close: () => dispatcher.destroy(),
  };
}
