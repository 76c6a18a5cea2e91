import type { LabelMap } from '../io/index.js';
import { type TrackOptions, type TrackProgress, track } from '../tracking/track.js';
import { Discoverer, type DiscovererOptions } from './discoverer.js';

/** SAM-Track's modes. In `interactive` nothing but given objects is tracked; the others also look for new ones. */
export type TrackingMode = 'interactive' | 'automatic' | 'fusion';

type Discovering = { discovery: DiscovererOptions | Discoverer };

const discovererOf = (discovery: DiscovererOptions | Discoverer, first: boolean): Discoverer =>
  discovery instanceof Discoverer ? discovery : new Discoverer({ first, ...discovery });

/**
 * Tracks whatever is found in the first frame and in every n-th one after it. Frames before the first object have empty label maps.
 * @param options.discovery what to look for, and how; a `Discoverer` to see its objects and its review queue afterwards
 */
export function automatic({
  discovery,
  ...options
}: Omit<TrackOptions, 'firstMask' | 'reviser'> & Discovering): AsyncGenerator<TrackProgress> {
  return track({ ...options, reviser: discovererOf(discovery, true) });
}

/** Tracks the given objects, and new ones that are found in every n-th frame. */
export function fusion({
  discovery,
  ...options
}: Omit<TrackOptions, 'reviser'> & { firstMask: LabelMap } & Discovering): AsyncGenerator<TrackProgress> {
  return track({ ...options, reviser: discovererOf(discovery, false) });
}
