/** `samtrack jobs watch` on terminals of all sizes, on none, and while Redis is away. */
import { expect, it } from 'vitest';
import { watch } from '../src/cli/watch.js';
import type { FarmQueue } from '../src/queue/farm-queue.js';

const COUNTS = { wait: 3, active: 500, completed: 2 };

/** A queue with many jobs at work. @param look called for each look at it */
function queueOf(jobs: number, look: () => Promise<void> = async () => {}): FarmQueue {
  const active = Array.from({ length: jobs }, (_, i) => ({
    id: String(i).padStart(16, '0'),
    name: 'track',
    data: { spec: { name: `video ${i} \x1b[2J\n夜` } },
    progress: { done: i, total: 1000, tracked: i, seconds: 10, host: 'gpu' },
  }));
  return {
    queue: {
      getJobCounts: async () => {
        await look();
        return COUNTS;
      },
      getJobs: async () => active,
    },
  } as unknown as FarmQueue;
}

function terminal(isTTY: boolean, columns = 0, rows = 0) {
  const written: string[] = [];
  const write = (text: string) => written.push(text);
  return { written, stream: { isTTY, columns, rows, write } as unknown as NodeJS.WriteStream };
}

const once = (times = 1) => {
  let looks = 0;
  return async () => ++looks >= times;
};

it('fits a small terminal, and says how many there are besides', async () => {
  const { written, stream } = terminal(true, 30, 10);
  await watch(queueOf(200), { signal: new AbortController().signal, over: once(2), stream, pauseMs: 0 });
  expect(written).toHaveLength(2);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const lines = written[0]!.replace(/\x1b\[\??\d*[JlhA]/g, '').split('\n');
  expect(lines).toHaveLength(10);
  expect(lines.every((line) => line.length < 30)).toBe(true);
  expect(lines[8]).toBe('... 195 more');
  expect(written[0]).not.toContain('\x1b[2J');
  // The second drawing begins where the first one did.
  expect(written[1]!.startsWith('\x1b[9A\x1b[J')).toBe(true);
});

it('prints a line into a file when something has come to an end', async () => {
  const { written, stream } = terminal(false);
  await watch(queueOf(3), { signal: new AbortController().signal, over: once(5), stream, pauseMs: 0 });
  expect(written).toEqual(['2 done, 500 at work, 3 waiting\n']);
});

it('says that Redis is away, and can be stopped while it is', async () => {
  const stopping = new AbortController();
  const { written, stream } = terminal(false);
  const write = stream.write.bind(stream);
  stream.write = ((text: string) => {
    stopping.abort();
    return write(text);
  }) as typeof stream.write;
  const never = new Promise<void>(() => {});
  await watch(
    queueOf(1, () => never),
    { signal: stopping.signal, over: once(), stream, awayMs: 1 },
  );
  expect(written).toEqual(['Redis does not answer: waiting for it\n']);
});
