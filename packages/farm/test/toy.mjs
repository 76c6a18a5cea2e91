/**
 * A program without a GPU: its "masks" follow from the specification alone, and it does what its faults say. Each fault happens once
 * for each file of its name in the folder of faults, which it takes away.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const nameOf = (frame) => `masks/${String(frame).padStart(5, '0')}.png`;
export const bytesOf = (identity, frame) =>
  createHash('sha256')
    .update(`${JSON.stringify(identity)}:${frame}`)
    .digest();

/** Takes a file away. @returns whether it was there */
function take(folder, name) {
  if (!folder) return false;
  const file = readdirSync(folder).find((found) => found.startsWith(`${name}.`));
  if (!file) return false;
  rmSync(join(folder, file), { force: true });
  return true;
}

class BadMedia extends Error {
  name = 'SourceError';
  code = 'unreadable';
  [Symbol.for('samtrack.expected-error')] = true;
}

export const toy = {
  async run({ identity, parameters }, context) {
    // With `asks` the gate is a place to stop at.
    const { frames, faults, gate, asks = false, pauseMs = 0, log } = parameters;
    const began = performance.now();
    mkdirSync(join(context.folder, 'masks'), { recursive: true });
    writeFileSync(join(context.folder, 'run.json'), JSON.stringify(identity));
    let tracked = 0;
    for (let frame = 0; frame < frames; frame++) {
      context.signal.throwIfAborted();
      const file = join(context.folder, nameOf(frame));
      if (!existsSync(file)) {
        if (frame === parameters.at) {
          // Shut as long as the file is there.
          while (gate && existsSync(gate)) {
            context.beat();
            context.signal.throwIfAborted();
            if (asks) await context.frame({ done: frame, total: frames, tracked, seconds: 0 });
            await sleep(10);
          }
          if (take(faults, 'bad-media')) throw new BadMedia(`${identity.name}: frame ${frame} cannot be read`);
          if (take(faults, 'crash')) process.kill(process.pid, 'SIGKILL');
          if (take(faults, 'device-lost'))
            throw Object.assign(new Error('the device was lost'), { name: 'DeviceLostError' });
          if (take(faults, 'hang')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
        }
        if (pauseMs) await sleep(pauseMs);
        writeFileSync(`${file}.partial`, bytesOf(identity, frame));
        renameSync(`${file}.partial`, file);
        tracked++;
        if (log) appendFileSync(log, `${process.pid} ${frame}\n`);
      }
      const seconds = (performance.now() - began) / 1000;
      await context.frame({ done: frame + 1, total: frames, tracked, seconds });
    }
    return { frames, notes: [] };
  },
};

export const isFinal = (error) => error.name === 'SourceError';

export default () => ({ toy });
