/** A worker for tests: what `samtrack worker` is, with programs and limits of a test, telling its parent what happens. */
import { existsSync } from 'node:fs';
import { ChildExecutor, connect, openStorage, Supervisor } from '@samtrack/farm/worker';

const {
  redis: url,
  queue,
  storage: where,
  host,
  lockSeconds,
  pauseSeconds,
  sliceFrames,
  healthyFile,
  ...child
} = JSON.parse(process.argv[2]);
const tell = (event) => process.connected && process.send(event);
// A test that is gone needs no workers.
process.on('disconnect', () => process.exit(1));

const storage = await openStorage(where);
const redis = await connect({ redis: url, queue }, { patient: true });
const executor = new ChildExecutor({ storage: where, pauseSeconds, ...child }, (text) => tell({ type: 'note', text }));
const supervisor = new Supervisor({
  redis,
  queue,
  storage,
  executor,
  host,
  lockSeconds,
  pauseSeconds,
  sliceFrames,
  healthy: async () => {
    tell({ type: 'check' });
    return healthyFile === undefined || existsSync(healthyFile);
  },
  onEvent: (event) => tell({ ...event, child: executor.pid }),
});
process.on('SIGTERM', async () => {
  const drained = supervisor.drain();
  tell({ type: 'draining' });
  await drained;
  redis.disconnect();
  process.exit(0);
});
await supervisor.run();
