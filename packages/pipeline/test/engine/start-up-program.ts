/**
 * Tracks one frame on the CPU, in a process of its own. Arguments: a folder of two frames, the mask of the first, the tracker's weights.
 * Says how long it took from the program's start, and the CPU time of that, in milliseconds.
 */
import { openSource, readMask } from '../../src/io/index.js';
import { VideoTracker } from '../../src/tracking/index.js';

const [frames, mask, weights] = process.argv.slice(2) as [string, string, string];
const source = await openSource(frames);
const firstMask = await readMask(mask, source);
const tracker = await VideoTracker.load({ engine: 'cpu', weights });
for await (const frame of source) {
  if (frame.index === 0) await tracker.addReference(frame, firstMask);
  else await tracker.step(frame);
}
const { user, system } = process.cpuUsage();
console.log(JSON.stringify({ wall: performance.now(), cpu: (user + system) / 1000 }));
process.exit(0);
