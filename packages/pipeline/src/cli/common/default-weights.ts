import { catalog } from '@samtrack/weights';
import { embeddedWeights } from '@samtrack/weights/node';
import type { TrackerModel } from '../../tracking/index.js';
import { UsageError } from '../command.js';
import { cachedWeights, isCached } from './cached-weights.js';

/**
 * The file of the weights that come with samtrack, or were pulled.
 * @throws UsageError for a model that has none: it says how to get them.
 */
export function defaultWeights(model: TrackerModel): string {
  const weights = embeddedWeights(model);
  if (weights) return weights.path;
  if (isCached(model)) return cachedWeights(model);
  const id = catalog.find(({ models }) => models.includes(model))?.id;
  const pull = id ? `run \`samtrack weights pull ${id}\`, or ` : '';
  throw new UsageError(`no weights of ${model} come with samtrack: ${pull}give --weights FILE`);
}
