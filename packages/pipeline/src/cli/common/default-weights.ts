import { type EmbeddedWeights, embeddedWeights } from '@samtrack/weights/node';
import type { TrackerModel } from '../../tracking/index.js';
import { UsageError } from '../command.js';

/**
 * The weights that come with samtrack.
 * @throws UsageError for a model whose weights do not: it says how to get them.
 */
export function defaultWeights(model: TrackerModel): EmbeddedWeights {
  const weights = embeddedWeights(model);
  if (weights) return weights;
  throw new UsageError(
    `no weights of ${model} come with samtrack: give --weights FILE (see \`samtrack weights list\`)`,
  );
}
