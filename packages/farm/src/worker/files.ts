import { existsSync } from 'node:fs';

/** Where something of this package's `dist` is: beside this file, above its folder of chunks, or built beside the sources. */
function inDist(path: string): URL {
  const places = [`./${path}`, `../${path}`, `../../dist/${path}`];
  const found = places.map((place) => new URL(place, import.meta.url)).find((url) => existsSync(url));
  if (!found) throw new Error(`${path} is not built: run \`npm run setup\``);
  return found;
}

/** A program of this package. */
export const programFile = (name: string): URL => inDist(`${name}.node.js`);

/** Weights and reference results that a GPU is checked with. */
export const goldenFolder = (): URL => inDist('golden/');
