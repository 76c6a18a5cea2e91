import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FarmError } from '../errors.js';
import type { FarmQueue } from '../queue/farm-queue.js';

/**
 * bull-board, a page that shows the queue, on the loopback address only: whoever sees it can delete jobs.
 * @throws FarmError where the packages are not installed
 */
export async function openBoard({ queue }: FarmQueue, port: number): Promise<{ url: string; close(): Promise<void> }> {
  const [{ createBullBoard }, { BullMQAdapter }, { ExpressAdapter }] = await Promise.all([
    import('@bull-board/api'),
    import('@bull-board/api/bullMQAdapter'),
    import('@bull-board/express'),
  ]).catch((cause) => {
    throw new FarmError('not-found', '--board', 'needs npm install @bull-board/api @bull-board/express', { cause });
  });
  const adapter = new ExpressAdapter();
  createBullBoard({ queues: [new BullMQAdapter(queue)], serverAdapter: adapter });
  const server = await new Promise<Server>((resolve, reject) => {
    const listening: Server = adapter
      .getRouter()
      .listen(port, '127.0.0.1', (error?: Error) => (error ? reject(error) : resolve(listening)));
    listening.once('error', reject);
  }).catch((cause) => {
    throw new FarmError('bad-spec', `--board ${port}`, (cause as Error).message, { cause });
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
