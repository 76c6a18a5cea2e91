import type { CheckpointInput } from '@samtrack/models';
import { defaultWeights, downloadedWeights } from '#platform';
import { TrackingError } from './errors.js';
import { kindOfModel, type TrackerModel, trackerModels } from './tracker-kinds.js';

/**
 * The weights that were given, or those that come with samtrack, or those that were downloaded (Node).
 * @throws TrackingError `unknown-model`, `no-weights`
 */
export async function trackerWeights(
  model: TrackerModel,
  given: CheckpointInput | undefined,
): Promise<CheckpointInput> {
  if (!kindOfModel(model)) {
    throw new TrackingError('unknown-model', `there is no model "${model}"; there are ${trackerModels().join(', ')}`);
  }
  const weights = given ?? (await defaultWeights(model)) ?? (await downloadedWeights(model));
  if (weights !== undefined) return weights;
  throw new TrackingError('no-weights', `no weights of ${model} come with samtrack here: ${HOW}`);
}

const HOW =
  'give `weights`, a path (Node), URL, Blob or bytes. A page serves those of deaot-t itself: they are ' +
  '@samtrack/weights/embedded/deaot-t.safetensors';
