/**
 * A thread that ends its process: when the process that started it is gone, and when work shows no sign of life. It runs also while the
 * main thread is blocked in a call that does not come back.
 */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

export interface WatchdogData {
  /** Int32Array: the number of signs of life, and whether there is work. */
  beats: SharedArrayBuffer;
  parent: number;
  hangSeconds: number;
}

const TICK_MS = 250;

const { beats, parent, hangSeconds } = workerData as WatchdogData;
const cells = new Int32Array(beats);
let last = -1;
// Ticks are counted, not the clock: it jumps, and a machine that was suspended has not hung.
let ticks = 0;

setInterval(() => {
  const orphan = process.ppid !== parent;
  const [beat, working] = [Atomics.load(cells, 0), Atomics.load(cells, 1) === 1];
  ticks = working && beat === last ? ticks + 1 : 0;
  last = beat;
  const hung = ticks * TICK_MS >= hangSeconds * 1000;
  // Streams of a thread go through the main one, which may be blocked.
  if (hung) writeSync(2, `no sign of life for ${hangSeconds} s: the process ends itself\n`);
  if (hung || orphan) process.kill(process.pid, 'SIGKILL');
}, TICK_MS);
