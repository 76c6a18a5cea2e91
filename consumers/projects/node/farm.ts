// What a farm exports, used once.
import * as farm from '@samtrack/farm';
import { commands } from '@samtrack/farm/commands';
import programs, { isFinal } from '@samtrack/farm/programs';
import * as worker from '@samtrack/farm/worker';

/** A program of one's own. */
const count: worker.Program = {
  async run({ parameters }, { frame }) {
    const total = Number(parameters);
    for (let done = 1; done <= total; done++) await frame({ done, total, tracked: done, seconds: 0 });
    return { frames: total, notes: [] };
  },
};

const make: worker.ProgramModule['default'] = (engine) => ({ ...programs(engine), count });
export default make;
export { isFinal };

export async function submit(videos: readonly string[], address: farm.QueueAddress): Promise<string[]> {
  const [storage, redis] = [await farm.openStorage('/results', { create: true }), await farm.connect(address)];
  const [planner, queue] = [new farm.Planner(), new farm.FarmQueue(redis, address.queue)];
  const specs: farm.JobSpec[] = await Promise.all(videos.map((video) => planner.track([video, '--mask', 'x.png'])));
  const submitted: farm.Submitted[] = await queue.submit(
    storage,
    specs.map((spec) => ({ spec })),
  );
  return [...submitted, ...commands.map(({ name }) => name)];
}

export async function work(address: farm.QueueAddress, storage: farm.Storage): Promise<void> {
  const settings: worker.ChildSettings = { storage: '/results', scratch: '/tmp', hangSeconds: 9, patienceSeconds: 9 };
  const executor = new worker.ChildExecutor(settings);
  const redis = await worker.connect(address, { patient: true });
  await new worker.Supervisor({ ...address, redis, storage, executor, healthy: async () => true }).run();
}
