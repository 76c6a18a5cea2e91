/**
 * A long stream, tracked under a budget in a process of its own. Prints a line of JSON every 100 frames: the most memory so far, as
 * the session counts it and as the system does, and the medians of the last 100 frames' times, of the clock and of the CPUs, in milliseconds.
 * Arguments: project file, weights, frames, MB.
 */
import { SamTrack } from '../../src/session/index.js';
import { makeFrame } from '../tracking/scene.js';
import { rectangles, SIZE } from './scene.js';

const [project, weights, count, memoryMB] = process.argv.slice(2);

async function* stream() {
  for (let i = 0; i < Number(count); i++) yield makeFrame(i, SIZE);
}

const st = await SamTrack.load({ weights: weights! });
const session = await st.open(stream(), { project: project!, memoryMB: Number(memoryMB) });
await session.prompt({ frame: 0, mask: rectangles(SIZE, [1, 2, 4, 12, 28], [2, 20, 4, 31, 28]) });
let [used, resident, remembered] = [0, 0, 0];
let times: number[] = [];
let cpu: number[] = [];
let last = performance.now();
let lastCpu = process.cpuUsage();
for await (const { frame, memory } of session.propagate()) {
  times.push(performance.now() - last);
  const { user, system } = process.cpuUsage(lastCpu);
  cpu.push((user + system) / 1000);
  used = Math.max(used, memory.usedBytes);
  remembered = Math.max(remembered, memory.rememberedBytes);
  resident = Math.max(resident, process.memoryUsage.rss());
  if ((frame + 1) % 100 === 0) {
    const median = (values: number[]) => values.sort((a, b) => a - b)[50];
    const report = { frames: frame + 1, used, remembered, resident, clock: median(times), cpu: median(cpu) };
    console.log(JSON.stringify(report));
    [times, cpu] = [[], []];
  }
  last = performance.now();
  lastCpu = process.cpuUsage();
}
await st.dispose();
process.exit(0);
