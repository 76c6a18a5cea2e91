import type { Telemetry } from 'bullmq';
import { connect, redisError } from '../queue/connection.js';
import { FarmQueue } from '../queue/farm-queue.js';
import { openStorage } from '../storage/open.js';
import type { Storage } from '../storage/storage.js';
import type { FarmAddress } from './options.js';

export interface FarmUse {
  /** Makes an empty folder or bucket a storage. */
  create?: boolean;
  /** Waits for a Redis that goes away later, as who watches for long does. */
  patient?: boolean;
  telemetry?: Telemetry;
}

/** The queue, for as long as a command needs it. Throws as `connect`, and what Redis has to say as FarmError `no-redis`. */
export async function withQueue<T>(
  address: FarmAddress,
  work: (queue: FarmQueue) => Promise<T>,
  { patient = false, telemetry }: Omit<FarmUse, 'create'> = {},
): Promise<T> {
  const queue = new FarmQueue(await connect(address, { patient: patient && 'later' }), address.queue, telemetry);
  try {
    return await work(queue);
  } catch (error) {
    throw redisError(address.redis, error);
  } finally {
    await queue.close();
  }
}

/** Queue and storage, for as long as a command needs them. Throws as `withQueue` and `openStorage`. */
export async function withFarm<T>(
  address: FarmAddress,
  work: (farm: { queue: FarmQueue; storage: Storage }) => Promise<T>,
  { create = false, ...use }: FarmUse = {},
): Promise<T> {
  const storage = await openStorage(address.storage, { create });
  try {
    return await withQueue(address, (queue) => work({ queue, storage }), use);
  } finally {
    storage.close();
  }
}
