/**
 * The programs of samtrack on a GPU that fails in the middle of a video, for a worker's `--programs`. FAULT says how:
 * `lost` as after a driver's reset, `hung` in a call that does not come back, `crashed` with the whole process. It comes before frame FAULT_FRAME
 * of the video FAULT_VIDEO; once, where FAULT_FILE is a file, which is then taken away.
 */
import { existsSync, rmSync } from 'node:fs';
import samtrack, { isFinal } from '@samtrack/farm/programs';
import { getRuntime } from '@samtrack/kernels';

const { FAULT, FAULT_VIDEO, FAULT_FRAME, FAULT_FILE } = process.env;

const FAULTS = {
  async lost() {
    const { device } = getRuntime();
    device.destroy();
    await device.lost;
  },
  hung: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  crashed: () => process.kill(process.pid, 'SIGKILL'),
};

async function fail({ name }, { done }) {
  if (name !== FAULT_VIDEO || done !== Number(FAULT_FRAME)) return;
  if (FAULT_FILE && !existsSync(FAULT_FILE)) return;
  if (FAULT_FILE) rmSync(FAULT_FILE);
  await FAULTS[FAULT]();
}

export { isFinal };

export default (engine) => {
  const { track, ...others } = samtrack(engine);
  const faulty = {
    ...track,
    run: (spec, context) =>
      track.run(spec, {
        ...context,
        async frame(progress, ...how) {
          await context.frame(progress, ...how);
          await fail(spec, progress);
        },
        async whole(progress) {
          context.whole(progress);
          await fail(spec, progress);
        },
      }),
  };
  return { track: faulty, ...others };
};
