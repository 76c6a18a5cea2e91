import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The repository's folder. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Where the repository is published: said once, in its own manifest. */
export const REPOSITORY = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'))
  .repository.url.replace(/^git\+/, '')
  .replace(/\.git$/, '');
