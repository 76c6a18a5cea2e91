import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { catalog } from '@samtrack/weights';
import { cacheFolder } from '@samtrack/weights/node';
import { UsageError } from './command.js';

/**
 * A downloaded checkpoint of a model.
 * @throws UsageError when the cache has none: it says how to get one.
 */
export function cachedWeights(model: string): string {
  const entries = catalog.filter(({ models }) => models.includes(model));
  const files = entries.map(({ file }) => join(cacheFolder(), file));
  const found = files.find((file) => existsSync(file));
  if (found) return found;
  throw new UsageError(
    `there are no weights of ${model} in the cache: run \`samtrack weights pull ${entries[0]!.id}\`, or give --weights FILE`,
  );
}
