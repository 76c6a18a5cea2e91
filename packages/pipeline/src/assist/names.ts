import { SAM2_CONFIGS, type Sam2Name } from '@samtrack/models';

/** Names of segmenters, the default first: the one that comes with samtrack, and models of SAM that checkpoints are published of. */
export const SEGMENTER_NAMES = [
  'samtrack-small',
  'mobile-sam',
  'sam-vit-b',
  'sam-vit-l',
  'sam-vit-h',
  ...(Object.keys(SAM2_CONFIGS) as Sam2Name[]),
] as const;

/** The segmenter that comes with samtrack, or a model of SAM. */
export type SegmenterName = (typeof SEGMENTER_NAMES)[number];

/** Models of Grounding DINO that checkpoints are published of. */
export const DETECTOR_NAMES = ['grounding-dino-t', 'grounding-dino-b'] as const;

/** A model of Grounding DINO. */
export type DetectorName = (typeof DETECTOR_NAMES)[number];
