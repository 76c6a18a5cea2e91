import type { CheckpointInput } from '@samtrack/models';
import { defaultWeights, downloadedWeights } from '#platform';
import { TrackingError } from './errors.js';
import type { TrackerModel } from './tracker-kinds.js';

/**
 * The weights that were given, or those that come with samtrack, or those that were downloaded (Node).
 * @throws TrackingError `no-weights`
 */
export async function trackerWeights(
  model: TrackerModel,
  given: CheckpointInput | undefined,
): Promise<CheckpointInput> {
  const weights = given ?? (await defaultWeights(model)) ?? (await downloadedWeights(model));
  if (weights !== undefined) return weights;
  throw new TrackingError('no-weights', `no weights of ${model} come with samtrack here: ${HOW}`);
}

const HOW =
  'give `weights`, a path (Node), URL, Blob or bytes. A page serves those of deaot-t itself: they are ' +
  '@samtrack/weights/embedded/deaot-t.safetensors';
