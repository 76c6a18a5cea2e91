import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { LONG, LongestFirst } from './longest-first.mjs';

const spec = (file, groupOrder = 0, name = 'a') => ({
  moduleId: `/somewhere/${file}`,
  project: { name, config: { sequence: { groupOrder }, isolate: true } },
});

it('long tests are files, each named once', () => {
  const missing = LONG.filter((file) => !existsSync(new URL(`../${file}`, import.meta.url)));
  expect(missing).toEqual([]);
  expect(new Set(LONG).size).toBe(LONG.length);
});

it('long tests begin first, whatever their project, but in their group', async () => {
  const cache = { getFileTestResults: () => undefined, getFileStats: () => ({ size: 1 }) };
  const order = new LongestFirst({ cache, config: { root: '/somewhere' } });
  const files = [
    spec('short.test.ts', 1, 'b'),
    spec('other.test.ts'),
    spec(LONG[1], 1),
    spec(LONG[3], 0, 'c'),
    spec(LONG[2]),
  ];
  const sorted = await order.sort(files);
  expect(sorted.map(({ moduleId }) => moduleId.slice('/somewhere/'.length))).toEqual([
    LONG[2],
    LONG[3],
    'other.test.ts',
    LONG[1],
    'short.test.ts',
  ]);
});
