/**
 * What the farm itself costs: 10,000 jobs of one frame that compute nothing, then a simulated day of 100 workers.
 *   node bench/load.mjs [--jobs 10000] [--day-jobs 5000] [--seed 1] [--folder FOLDER]
 * Needs redis-server and Linux.
 */
import { fork, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connect, FarmQueue, openStorage } from '@samtrack/farm';
import { simulateDay } from '../test/day.mjs';

const { values: options } = parseArgs({
  options: {
    jobs: { type: 'string', default: '10000' },
    'day-jobs': { type: 'string', default: '5000' },
    seed: { type: 'string', default: '1' },
    folder: { type: 'string', default: tmpdir() },
  },
});
// With fewer, all are done before the last worker has its first.
if (!(Number(options.jobs) >= 1000)) throw new RangeError('--jobs is a number from 1000 on');
const folder = mkdtempSync(join(options.folder, 'samtrack-load-'));
const port = await new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});
const redisArgs = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes', '--save', ''];
const server = spawn('redis-server', redisArgs.map(String), { stdio: 'ignore' });
const address = { redis: `redis://127.0.0.1:${port}`, queue: 'load' };
const redis = await connect(address, { patient: true });
await redis.ping();
/** Processor time of workers and their children so far, in seconds (Linux). */
function processorSeconds(processes) {
  const pids = processes.flatMap(({ pid }) => [
    pid,
    ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean),
  ]);
  // Fields 14 and 15 behind the name, which may hold spaces, in hundredths of a second.
  const ticks = (pid) =>
    readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
  return pids.reduce((sum, pid) => sum + (Number(ticks(pid)[11]) + Number(ticks(pid)[12])) / 100, 0);
}

const memory = async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))[1]) / 1e6;

try {
  console.log(`${cpus().length} cores, ${cpus()[0].model}; results in ${folder}`);
  mkdirSync(join(folder, 'scratch'));
  const storage = await openStorage(join(folder, 'storage'), { create: true });
  const queue = new FarmQueue(redis, 'load');
  const count = Number(options.jobs);
  const submissions = Array.from({ length: count }, (_, i) => ({
    spec: {
      kind: 'toy',
      name: `job ${i}`,
      identity: { name: `job ${i}`, frames: 1 },
      parameters: { frames: 1 },
      inputs: [],
    },
  }));
  const [before, start] = [await memory(), performance.now()];
  await queue.submit(storage, submissions);
  const submitted = (performance.now() - start) / 1000;
  const full = await memory();
  console.log(
    `submit: ${count} jobs in ${submitted.toFixed(1)} s, ${((submitted / count) * 1000).toFixed(2)} ms a job`,
  );
  console.log(`Redis: ${(full - before).toFixed(1)} MB, ${(((full - before) / count) * 1000).toFixed(2)} kB a job`);

  const workers = [];
  const completed = () => queue.queue.getCompletedCount();
  for (const wanted of [1, 2, 4]) {
    while (workers.length < wanted) {
      const settings = {
        ...address,
        storage: join(folder, 'storage'),
        scratch: join(folder, 'scratch'),
        programs: new URL('../test/toy.mjs', import.meta.url).href,
        host: `host${workers.length}`,
        lockSeconds: 30,
        hangSeconds: 60,
        patienceSeconds: 60,
        pauseSeconds: 1,
      };
      const worker = fork(new URL('../test/worker-process.mjs', import.meta.url), [JSON.stringify(settings)]);
      let started;
      const working = new Promise((resolve) => (started = resolve));
      worker.on('message', ({ type }) => type === 'end' && started());
      workers.push(worker);
      await working;
    }
    const [from, begun, used] = [await completed(), performance.now(), processorSeconds(workers)];
    const goal = wanted === 4 ? count : from + count / 5;
    while ((await completed()) < goal) await sleep(50);
    const [jobs, seconds] = [(await completed()) - from, (performance.now() - begun) / 1000];
    const each = ((seconds * wanted) / jobs) * 1000;
    const computed = ((processorSeconds(workers) - used) / jobs) * 1000;
    console.log(
      `${wanted} workers: ${(jobs / seconds).toFixed(1)} jobs a second, ${each.toFixed(1)} ms of a worker's time a job, ` +
        `${computed.toFixed(1)} ms of a processor's`,
    );
  }
  const again = performance.now();
  const outcomes = await queue.submit(storage, submissions);
  if (!outcomes.every((outcome) => outcome === 'stored')) throw new Error('some jobs are not stored');
  console.log(`submit again: ${((performance.now() - again) / 1000).toFixed(1)} s, all stored`);
  for (const worker of workers) {
    const gone = new Promise((resolve) => worker.once('exit', resolve));
    worker.kill('SIGTERM');
    await gone;
  }

  const dayStorage = await openStorage(join(folder, 'day'), { create: true });
  const day = await simulateDay({
    redis: address.redis,
    queue: 'day',
    storage: dayStorage,
    folder,
    seed: Number(options.seed),
    workers: 100,
    jobs: Number(options['day-jobs']),
  });
  console.log(
    `day: ${day.done} jobs once each in ${day.seconds.toFixed(0)} s, 100 workers (${day.workersStarted} started), faults:`,
  );
  console.log(
    `  ${JSON.stringify(day.faults)}; ends: ${JSON.stringify(day.outcomes)}; put back by hand ${day.rounds} times`,
  );
  await queue.close();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  server.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
// Simulated workers that died have left connections behind, which would wait for the server for ever.
process.exit();
