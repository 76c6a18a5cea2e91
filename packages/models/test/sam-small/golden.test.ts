/** The small segmenter, whose masks are those of the network that weights/train trains. */
import { initialize, type Runtime, shutdown, stockOps } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SamSmallLoadOptions } from '../../src/sam-small/index.js';
import { compareSamSmall } from './compare.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

it.each<[string, SamSmallLoadOptions]>([
  ['kernels', {}],
  ['stock operations', { ops: stockOps }],
])('with %s it computes what the network did that is trained', { timeout: 600_000 }, async (_, options) => {
  const before = memory().numTensors;
  const results = await compareSamSmall(options);
  expect(results.filter(({ pass }) => !pass)).toEqual([]);
  expect(results).toHaveLength(14);
  expect(memory().numTensors).toBe(before);
});

it('and with other weights something else', { timeout: 600_000 }, async () => {
  const passed = (await compareSamSmall({}, 16)).filter(({ pass }) => pass).map(({ name }) => name);
  // The encoder is the tracker's.
  expect(passed).toEqual(['f4', 'f8', 'f16']);
});
