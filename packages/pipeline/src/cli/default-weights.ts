import type { DeAotName } from '@samtrack/models';
import { embeddedWeights } from '@samtrack/weights/node';
import { UsageError } from './command.js';

/**
 * The weights that come with samtrack.
 * @throws UsageError for a model whose weights do not: it says how to get them.
 */
export function defaultWeights(model: DeAotName): string {
  const file = embeddedWeights(model);
  if (file) return file;
  throw new UsageError(
    `no weights of ${model} come with samtrack: give --weights FILE (see \`samtrack weights list\`)`,
  );
}
