import { expect, test } from 'vitest';
import * as node from '../../src/io/node/index.js';
import * as web from '../../src/io/web/index.js';
import { errorOf } from './temporary.js';

/** Compiles only if Node's half can stand wherever the browser's is expected. */
type Callable<T> = { [K in keyof T]: T[K] extends (...args: never[]) => infer R ? (...args: never[]) => R : T[K] };
const halves: [Callable<typeof node>, Callable<typeof web>] = [web, node];

test('the two halves of the platform export the same names', () => {
  expect(halves.map((half) => Object.keys(half).sort())).toEqual([Object.keys(web).sort(), Object.keys(web).sort()]);
});

test('a browser refuses paths with a typed error', async () => {
  for (const open of [web.openSource, web.openVideo, web.openImageFolder]) {
    expect(await errorOf(() => open('/some/clip.mp4'))).toMatchObject({
      name: 'SourceError',
      code: 'unsupported',
      source: '/some/clip.mp4',
    });
  }
  expect(await errorOf(() => web.openOutputFolder('/out'))).toMatchObject({ name: 'OutputError', code: 'unsupported' });
});
