// The public surface of the packages: the modules that programs import, and what is in them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './repository.mjs';

/** Packages that programs import, in the order in which people need them. */
const PACKAGES = [
  'packages/pipeline',
  'packages/models',
  'packages/kernels',
  'packages/onnx',
  'weights',
  'packages/farm',
];

/** Modules that only tests and benchmarks of this repository import. */
const OWN = /\/testing$/;

/** Every public module: the name that it is imported by, and its source file. */
export const MODULES = PACKAGES.flatMap((folder) => {
  const { name, exports } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
  return Object.entries(exports)
    .filter(([, target]) => target['samtrack-source'])
    .map(([path, target]) => ({ name: join(name, path), file: join(ROOT, folder, target['samtrack-source']) }))
    .filter(({ name: module }) => !OWN.test(module));
});
