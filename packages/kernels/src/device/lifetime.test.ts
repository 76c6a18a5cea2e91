import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { initialize, type Runtime, shutdown } from '../index.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

// Before its origin was kept, a device took the process along as soon as the garbage collector came by.
it.each([
  ['forgotten', false],
  ['kept', true],
])('runtimes that were shut down and %s leave the process alone', async (_name, keeps) => {
  const kept: Runtime[] = [];
  for (let i = 0; i < 8; i++) {
    const runtime = await initialize();
    shutdown(runtime);
    if (keeps) kept.push(runtime);
    collect();
    await setTimeout(5);
    collect();
  }
  expect(kept).toHaveLength(keeps ? 8 : 0);
});
