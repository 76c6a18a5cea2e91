import { join } from 'node:path';
import { inject } from 'vitest';
import type { PackedPackage } from './pack.js';
import { makeProject, type Project } from './project.js';

/** Whether everything is asked for (`npm run consumers`), or only what is fast. */
export const THOROUGH = process.env['SAMTRACK_CONSUMERS'] === 'all';

const { folder, packages } = inject('packed');

/** The packages as they were packed for this run. */
export const PACKAGES: readonly PackedPackage[] = packages;

/** A fresh project that depends on all packages, on tfjs-core and on some more. */
export function consumer(name: string, template?: string, dependencies: readonly string[] = []): Project {
  const names = [...PACKAGES.map(({ manifest }) => manifest.name), '@tensorflow/tfjs-core', ...dependencies];
  return makeProject(join(folder, 'projects', name), template, names, PACKAGES);
}
