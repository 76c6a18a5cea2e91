/** What `Segmenter.everything` keeps unless told otherwise, in the program and on the command line: as SAM-Track sets Segment Anything. */
export const EVERYTHING_DEFAULTS = {
  pointsPerSide: 16,
  predIouThresh: 0.8,
  stabilityScoreThresh: 0.9,
  cropNLayers: 1,
  /** Pixels. */
  minMaskRegionArea: 200,
} as const;

/** What a detector keeps where objects to track are looked for. */
export const DETECTION_DEFAULTS = { boxThreshold: 0.25, textThreshold: 0.25 } as const;

/** Visible pixels below which something that was found is no object. */
export const MIN_OBJECT_AREA = 200;
