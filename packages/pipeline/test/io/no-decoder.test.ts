import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';
import { openSource, readMask } from '../../src/io/index.js';
import { errorOf } from './temporary.js';

vi.mock('sharp', () => {
  throw new Error("Cannot find package 'sharp'");
});

const PICTURE = fileURLToPath(new URL('../../../../demo/masks/00000.png', import.meta.url));

it('without the package that decodes pictures, that is said, and no picture is called damaged', async () => {
  expect(await errorOf(() => openSource(PICTURE))).toMatchObject({
    name: 'SourceError',
    code: 'unsupported',
    message: 'image decoder: reading pictures in Node needs the package sharp: npm install sharp',
  });
  // PNG masks are read without it.
  expect((await readMask(PICTURE)).width).toBe(432);
});
