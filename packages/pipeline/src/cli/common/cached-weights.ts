import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { catalog } from '@samtrack/weights';
import { cacheFolder } from '@samtrack/weights/node';
import { UsageError } from '../command.js';

const filesOf = (model: string): string[] =>
  catalog.filter(({ models }) => models.includes(model)).map(({ file }) => join(cacheFolder(), file));

/** Whether a checkpoint of a model was downloaded. */
export const isCached = (model: string): boolean => filesOf(model).some((file) => existsSync(file));

/**
 * A downloaded checkpoint of a model.
 * @param option The one that takes a checkpoint of such a model instead.
 * @throws UsageError when the cache has none: it says how to get one.
 */
export function cachedWeights(model: string, option = 'weights'): string {
  const found = filesOf(model).find((file) => existsSync(file));
  if (found) return found;
  const { id } = catalog.find(({ models }) => models.includes(model))!;
  throw new UsageError(
    `there are no weights of ${model} in the cache: run \`samtrack weights pull ${id}\`, or give --${option} FILE`,
  );
}
