// Shaders as bundles hold them: a third of their text is comments and indentation.
import { readFileSync } from 'node:fs';

/** @param {string} text WGSL, in which there are no texts that `//` could stand in. */
export const shortened = (text) =>
  text
    .replaceAll(/\/\/.*$/gm, '')
    .replaceAll(/^[ \t]+|[ \t]+$/gm, '')
    .replaceAll(/\n{2,}/g, '\n');

/** For esbuild. */
export const shaders = {
  name: 'shaders',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.wgsl$/ }, ({ path }) => ({ contents: shortened(readFileSync(path, 'utf8')), loader: 'text' })),
};
