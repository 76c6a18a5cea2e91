import type { Architecture } from '@samtrack/models/checkpoint';
import type { ModelRole } from './protocol.js';

/** What models of each family can be used as. */
export const ROLES: Readonly<Record<Architecture['family'], readonly ModelRole[]>> = {
  deaot: ['tracker'],
  sam: ['segmenter'],
  sam2: ['segmenter', 'tracker'],
  'grounding-dino': ['detector'],
};
