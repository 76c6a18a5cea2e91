import { type BirpcReturn, createBirpc } from 'birpc';
import type { Failure } from './protocol.js';

/** An error that came through a channel, with its class and code. */
export class RemoteError extends Error {
  readonly code: string | undefined;
  constructor({ name, code, message }: Failure) {
    super(message);
    this.name = name;
    this.code = code;
  }
}

/** An error as data. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error || error instanceof DOMException)) return { name: 'Error', message: String(error) };
  const { name, message } = error;
  const { code } = error as { code?: unknown };
  return { name, message, ...(typeof code === 'string' ? { code } : {}) };
}

/** The side of a worker or port that a channel needs. */
interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
}

interface Message {
  e?: unknown;
  a?: unknown[];
  r?: unknown;
}

/** What moves instead of being copied; the sender must not use it any more. */
function transferable(value: unknown, found: Transferable[] = [], depth = 0): Transferable[] {
  if (typeof value !== 'object' || value === null || depth > 4) return found;
  if (
    (typeof OffscreenCanvas !== 'undefined' && value instanceof OffscreenCanvas) ||
    (typeof ImageBitmap !== 'undefined' && value instanceof ImageBitmap) ||
    (typeof ReadableStream !== 'undefined' && value instanceof ReadableStream)
  ) {
    found.push(value as Transferable);
  } else if (!ArrayBuffer.isView(value) && !(value instanceof Blob)) {
    for (const inner of Object.values(value)) transferable(inner, found, depth + 1);
  }
  return found;
}

/**
 * Calls functions on the other side of a port, and lets it call ours. Errors arrive as `RemoteError`. There is no time-out: what is
 * long here is cancelled by a request of its own.
 */
export function openChannel<Remote extends object, Local extends object>(
  port: Port,
  functions: Local,
): BirpcReturn<Remote, Local> {
  return createBirpc<Remote, Local>(functions, {
    post: (message: Message) => port.postMessage(message, transferable(message.a ?? message.r)),
    on: (listener) => port.addEventListener('message', ({ data }) => listener(data)),
    serialize: (message: Message) => (message.e === undefined ? message : { ...message, e: failureOf(message.e) }),
    deserialize: (message: Message) =>
      message.e === undefined ? message : { ...message, e: new RemoteError(message.e as Failure) },
    timeout: -1,
    bind: 'functions',
  });
}

/**
 * Of calls that come faster than they are done, the newest: one is under way, one waits, and what waited before is dropped.
 * @returns a function that resolves when its call, or a newer one, was done
 */
export function latestOnly<Arguments extends unknown[]>(
  call: (...given: Arguments) => unknown,
): (...given: Arguments) => Promise<void> {
  let waiting: Arguments | undefined;
  let busy: Promise<void> | undefined;
  const drain = async () => {
    try {
      while (waiting) {
        const given = waiting;
        waiting = undefined;
        await call(...given);
      }
    } finally {
      busy = undefined;
    }
  };
  return (...given) => {
    waiting = given;
    busy ??= drain();
    return busy;
  };
}
