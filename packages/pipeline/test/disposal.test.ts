import { fileURLToPath } from 'node:url';
import * as kernels from '@samtrack/kernels';
import * as models from '@samtrack/models';
import * as onnx from '@samtrack/onnx';
import { describe, expect, it } from 'vitest';
import * as samtrack from '../src/index.js';
import { errorOf } from './io/temporary.js';

/** The public classes, by name. */
const classes = Object.entries({ ...kernels, ...models, ...onnx, ...samtrack }).flatMap(([name, value]) =>
  typeof value === 'function' && value.prototype ? [{ name, prototype: value.prototype as object }] : [],
);

describe('what is disposed of', () => {
  it('ends with its block where `using` opened it', () => {
    const disposable = classes.filter(({ prototype }) => 'dispose' in prototype);
    expect(disposable.length).toBeGreaterThan(15);
    const forgotten = disposable.filter(
      ({ prototype }) => !(Symbol.dispose in prototype || Symbol.asyncDispose in prototype),
    );
    expect(forgotten.map(({ name }) => name)).toEqual([]);
  });

  it.each(['clip.mp4', 'masks'])('closes the source %s', async (name) => {
    const source = await samtrack.openSource(fileURLToPath(new URL(`../../../demo/${name}`, import.meta.url)));
    await source[Symbol.asyncDispose]();
    expect(await errorOf(() => source.frames()[Symbol.asyncIterator]().next())).toMatchObject({ code: 'closed' });
  });
});
