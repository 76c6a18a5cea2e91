/** A simulated day with random faults: nothing is lost, nothing is done twice, everything is right. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStorage } from '../src/storage/open.js';
// @ts-expect-error plain JavaScript, since the load test runs it without a bundler
import { simulateDay } from './day.mjs';
import { hasRedis, TestRedis } from './redis.js';
import { temporaryFolder } from './temporary.js';
import { expectToy } from './toys.js';

const folder = temporaryFolder();

describe.skipIf(!hasRedis)('a day', { timeout: 1_200_000 }, () => {
  it('of 100 workers, with seeded faults, loses and doubles nothing', async () => {
    const redis = await TestRedis.start();
    try {
      const storage = await openStorage(join(folder, 'storage'), { create: true });
      const options = { redis: redis.url, queue: 'day', storage, folder, seed: 1, workers: 100, jobs: 300 };
      const { specs, done, faults } = await simulateDay(options);
      expect(done).toBe(300);
      for (const spec of specs) await expectToy(storage, spec, join(folder, 'fetched'));
      for (const kind of ['crash', 'worker dies', 'sleeps', 'storage away']) expect(faults[kind]).toBeGreaterThan(0);
    } finally {
      await redis.stop();
    }
  });
});
