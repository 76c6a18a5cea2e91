/** Trackers. */
export const TRACKERS = ['deaot-t', 'deaot-s', 'deaot-b', 'deaot-l', 'r50-deaot-l', 'swinb-deaot-l'] as const;
/** Models that have procedural weights here. */
export const MODELS = [
  ...TRACKERS,
  'sam-vit-b',
  'sam-vit-l',
  'sam-vit-h',
  'sam-decoder',
  'sam2.1-tiny',
  'sam2.1-small',
  'sam2.1-memory-attention',
  'grounding-dino-t',
] as const;
export type BenchTracker = (typeof TRACKERS)[number];
export type BenchModel = (typeof MODELS)[number];
