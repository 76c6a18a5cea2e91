import type { Telemetry } from 'bullmq';
import { connect } from '../queue/connection.js';
import { FarmQueue } from '../queue/farm-queue.js';
import { openStorage } from '../storage/open.js';
import type { Storage } from '../storage/storage.js';
import type { FarmAddress } from './options.js';

/** Queue and storage, for as long as a command needs them. Throws as `connect` and `openStorage`. */
export async function withFarm<T>(
  address: FarmAddress,
  work: (farm: { queue: FarmQueue; storage: Storage }) => Promise<T>,
  { create = false, telemetry }: { create?: boolean; telemetry?: Telemetry } = {},
): Promise<T> {
  const storage = await openStorage(address.storage, { create });
  try {
    const queue = new FarmQueue(await connect(address), address.queue, telemetry);
    try {
      return await work({ queue, storage });
    } finally {
      await queue.close();
    }
  } finally {
    storage.close();
  }
}
