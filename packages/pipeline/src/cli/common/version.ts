import { existsSync, readFileSync } from 'node:fs';

/** The version of samtrack. */
export function version(): string {
  // Above `dist` when bundled, three folders above as source.
  const manifests = ['../', '../../', '../../../'].map((path) => new URL(`${path}package.json`, import.meta.url));
  const manifest = JSON.parse(readFileSync(manifests.find((path) => existsSync(path))!, 'utf8'));
  return manifest.version as string;
}
