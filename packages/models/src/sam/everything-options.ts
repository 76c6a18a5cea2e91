import { pointGrid } from './crops.js';
import { SamError } from './error.js';
import type { Point } from './transforms.js';

/** How masks are returned: 0 or 1 a pixel, run lengths, or run lengths as COCO's string. */
export type OutputMode = 'binary_mask' | 'uncompressed_rle' | 'coco_rle';

/**
 * Options of `segmentEverything`; names and defaults are those of segment-anything's `SamAutomaticMaskGenerator`, but where the model
 * has others (`PromptModel.everything`).
 */
export interface EverythingOptions {
  /** Points along each side of the grid; 32. */
  pointsPerSide?: number | undefined;
  /** Grids of one's own instead, one a layer of crops, coordinates in 0..1. */
  pointGrids?: readonly (readonly Point[])[] | undefined;
  /** Points between two looks at `signal` and calls of `onProgress`; 64. */
  pointsPerBatch?: number | undefined;
  /** Masks of a predicted IoU above this stay; 0.88, for SAM 2.1 0.8. 0 or less: all. */
  predIouThresh?: number | undefined;
  /** Masks of this stability or more stay; 0.95. 0 or less: all. */
  stabilityScoreThresh?: number | undefined;
  /** How far the threshold is shifted to measure stability; 1. */
  stabilityScoreOffset?: number | undefined;
  /** Logits above it are foreground; 0. */
  maskThreshold?: number | undefined;
  /** Of two masks of a crop whose boxes have an IoU above this, the worse goes; 0.7. */
  boxNmsThresh?: number | undefined;
  /** Layers of crops beside the whole image; 0. Layer i has 2^i crops a side. */
  cropNLayers?: number | undefined;
  /** As `boxNmsThresh`, between crops, where masks of smaller crops win; 0.7. */
  cropNmsThresh?: number | undefined;
  /** Overlap of crops of the first layer in short sides of the image, halved with each layer; 512 / 1500. */
  cropOverlapRatio?: number | undefined;
  /** Layer i has `pointsPerSide` divided by this to the power of i; 1. */
  cropNPointsDownscaleFactor?: number | undefined;
  /** Holes and islands below so many pixels are removed; 0: none. */
  minMaskRegionArea?: number | undefined;
  /** Holes of the network's own masks of at most so many of their pixels are filled before anything is measured; 0: none. */
  maxHoleArea?: number | undefined;
  /** Islands of at most so many of their pixels are removed; 0: none. */
  maxSprinkleArea?: number | undefined;
  /** Shows every mask to the network once more, as the prompt of a single better one, before anything is filtered; false. */
  useM2m?: boolean | undefined;
  /** `binary_mask` by default. */
  outputMode?: OutputMode | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the share of the points that is done, 0..1. */
  onProgress?: ((fraction: number) => void) | undefined;
}

/** Options with nothing left open. */
export type ResolvedOptions = Required<
  Omit<EverythingOptions, 'signal' | 'onProgress' | 'pointsPerSide' | 'pointGrids'>
> & {
  /** A grid for each layer of crops. */
  grids: readonly (readonly Point[])[];
};

const OUTPUT_MODES: readonly OutputMode[] = ['binary_mask', 'uncompressed_rle', 'coco_rle'];

/**
 * Fills in the defaults.
 * @param defaults Those of the model, which go before the general ones.
 * @throws SamError `option` naming the option and what it may be.
 */
export function resolveOptions(given: EverythingOptions, defaults: Partial<EverythingOptions> = {}): ResolvedOptions {
  const stated = Object.entries(given).filter(([, value]) => value !== undefined);
  const options: EverythingOptions = { ...defaults, ...Object.fromEntries(stated) };
  const { pointsPerSide, pointGrids } = options;
  const resolved = {
    pointsPerBatch: options.pointsPerBatch ?? 64,
    predIouThresh: options.predIouThresh ?? 0.88,
    stabilityScoreThresh: options.stabilityScoreThresh ?? 0.95,
    stabilityScoreOffset: options.stabilityScoreOffset ?? 1,
    maskThreshold: options.maskThreshold ?? 0,
    boxNmsThresh: options.boxNmsThresh ?? 0.7,
    cropNLayers: options.cropNLayers ?? 0,
    cropNmsThresh: options.cropNmsThresh ?? 0.7,
    cropOverlapRatio: options.cropOverlapRatio ?? 512 / 1500,
    cropNPointsDownscaleFactor: options.cropNPointsDownscaleFactor ?? 1,
    minMaskRegionArea: options.minMaskRegionArea ?? 0,
    maxHoleArea: options.maxHoleArea ?? 0,
    maxSprinkleArea: options.maxSprinkleArea ?? 0,
    useM2m: options.useM2m ?? false,
    outputMode: options.outputMode ?? 'binary_mask',
  };
  const check = (name: keyof typeof resolved, holds: (value: number) => boolean, expected: string) => {
    const value = resolved[name] as number;
    if (!holds(value)) throw new SamError('option', `${name} is ${value}, it should be ${expected}.`);
  };
  const whole = (least: number) => (value: number) => Number.isSafeInteger(value) && value >= least;
  check('pointsPerBatch', whole(1), 'a whole number from 1 on');
  check('cropNLayers', (value) => whole(0)(value) && value <= 8, 'a whole number from 0 to 8');
  check('cropNPointsDownscaleFactor', (value) => value >= 1, '1 or more');
  check('cropOverlapRatio', (value) => value >= 0 && value < 1, 'from 0 to below 1');
  for (const name of ['minMaskRegionArea', 'maxHoleArea', 'maxSprinkleArea', 'stabilityScoreOffset'] as const) {
    check(name, (value) => value >= 0, '0 or more');
  }
  for (const name of ['boxNmsThresh', 'cropNmsThresh'] as const) check(name, (v) => v >= 0 && v <= 1, 'from 0 to 1');
  for (const name of ['predIouThresh', 'stabilityScoreThresh', 'maskThreshold'] as const) {
    check(name, Number.isFinite, 'a number');
  }
  if (!OUTPUT_MODES.includes(resolved.outputMode)) {
    throw new SamError(
      'option',
      `outputMode is "${resolved.outputMode}", it should be one of ${OUTPUT_MODES.join(', ')}.`,
    );
  }
  return { ...resolved, grids: resolveGrids(pointsPerSide, pointGrids, resolved) };
}

function resolveGrids(
  pointsPerSide: number | undefined,
  pointGrids: EverythingOptions['pointGrids'],
  { cropNLayers, cropNPointsDownscaleFactor }: { cropNLayers: number; cropNPointsDownscaleFactor: number },
): readonly (readonly Point[])[] {
  if (!pointGrids) {
    const side = pointsPerSide ?? 32;
    if (!(Number.isSafeInteger(side) && side >= 1 && side <= 1024)) {
      throw new SamError('option', `pointsPerSide is ${side}, it should be a whole number from 1 to 1024.`);
    }
    return Array.from({ length: cropNLayers + 1 }, (_, i) =>
      pointGrid(Math.trunc(side / cropNPointsDownscaleFactor ** i)),
    );
  }
  if (pointsPerSide !== undefined)
    throw new SamError('option', 'Either pointsPerSide or pointGrids is given, not both.');
  if (pointGrids.length !== cropNLayers + 1) {
    throw new SamError(
      'option',
      `pointGrids has ${pointGrids.length} grids, cropNLayers ${cropNLayers} takes ${cropNLayers + 1}.`,
    );
  }
  for (const [layer, grid] of pointGrids.entries()) {
    const wrong = grid.find(([x, y]) => !(x >= 0 && x <= 1 && y >= 0 && y <= 1));
    if (wrong)
      throw new SamError('option', `pointGrids has the point ${wrong} in layer ${layer}, coordinates are in 0..1.`);
  }
  return pointGrids;
}
