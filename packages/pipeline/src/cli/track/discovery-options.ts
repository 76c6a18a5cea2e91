/** The options of `samtrack track` that say which new objects to look for, and how. */
import { DETECTION_DEFAULTS, EVERYTHING_DEFAULTS } from '../../assist/defaults.js';
import type { EverythingOptions } from '../../assist/index.js';
import { DISCOVERY_DEFAULTS, MAX_NEW_SHARE_BY_TEXT } from '../../discovery/defaults.js';
import type { DiscovererOptions, TextOptions, TrackingMode } from '../../discovery/index.js';
import { oneOf, positiveNumber, UsageError, wholeNumber } from '../command.js';

export const DISCOVERY_HELP = `New objects:
  --mode NAME           interactive (default): none; automatic: whatever is found, from the first frame on;
                        fusion: the mask's objects, and whatever is found later
  --everything          find everything there is, with Segment Anything; --points-per-side N (default ${EVERYTHING_DEFAULTS.pointsPerSide}),
                        --pred-iou-thresh N (${EVERYTHING_DEFAULTS.predIouThresh}), --stability-score-thresh N (${EVERYTHING_DEFAULTS.stabilityScoreThresh}), --crop-n-layers N (${EVERYTHING_DEFAULTS.cropNLayers}) and
                        --min-mask-region-area N (${EVERYTHING_DEFAULTS.minMaskRegionArea}) are its own
  --text TEXT           find what a text names, things apart by full stops, with Grounding DINO
  --classes A,B         the same, with class names
  --every N             look at every N-th frame; default ${DISCOVERY_DEFAULTS.every}
  --look-ahead N        frames that must confirm a new object before it gets an id; default ${DISCOVERY_DEFAULTS.lookAhead}, 0: none
  --cmr-threshold N     least share of a mask that nothing tracks yet, 0..1; default ${DISCOVERY_DEFAULTS.threshold}
  --min-area N          least untracked pixels of a new object; default ${DISCOVERY_DEFAULTS.minArea}
  --max-objects N       highest id; default ${DISCOVERY_DEFAULTS.maxObjects}, up to 65535
  --class-cap NAME=N    most objects of a class; may be given several times
  --max-new-share N     refuse all new objects of a frame that together cover more of it than this share;
                        default ${DISCOVERY_DEFAULTS.maxNewShare}, with --text or --classes ${MAX_NEW_SHARE_BY_TEXT}
  --max-box-share N     with --text or --classes: leave out boxes that cover more of the frame; default 1
  --box-threshold N, --text-threshold N   least scores of boxes and of their words; default ${DETECTION_DEFAULTS.boxThreshold}
  --review              add nothing, but write candidates.json
`;

export const DISCOVERY_OPTIONS = {
  mode: { type: 'string' },
  everything: { type: 'boolean' },
  'points-per-side': { type: 'string' },
  'pred-iou-thresh': { type: 'string' },
  'stability-score-thresh': { type: 'string' },
  'crop-n-layers': { type: 'string' },
  'min-mask-region-area': { type: 'string' },
  text: { type: 'string' },
  classes: { type: 'string' },
  every: { type: 'string' },
  'look-ahead': { type: 'string' },
  'cmr-threshold': { type: 'string' },
  'min-area': { type: 'string' },
  'max-objects': { type: 'string' },
  'class-cap': { type: 'string', multiple: true },
  'max-new-share': { type: 'string' },
  'max-box-share': { type: 'string' },
  'box-threshold': { type: 'string' },
  'text-threshold': { type: 'string' },
  review: { type: 'boolean' },
} as const;

/** Options of the segmenter that finds everything. */
const EVERYTHING = [
  'points-per-side',
  'pred-iou-thresh',
  'stability-score-thresh',
  'crop-n-layers',
  'min-mask-region-area',
] as const;

type Names = typeof DISCOVERY_OPTIONS;
type Values = {
  [name in keyof Names]?: Names[name] extends { multiple: true }
    ? string[]
    : Names[name]['type'] extends 'string'
      ? string
      : boolean;
};

/** What to look for, checked. */
export interface DiscoverySettings {
  mode: Exclude<TrackingMode, 'interactive'>;
  /** What a text names; undefined for everything. */
  text: TextOptions | undefined;
  everything: EverythingOptions;
  options: Omit<DiscovererOptions, 'candidates'> & { every: number };
  /** Whatever results depend on, for the record of a run. */
  identity: Record<string, string | number | null>;
}

/**
 * What the options ask for; undefined if nothing new is to be found.
 * @throws UsageError
 */
export function discoverySettings(options: Values): DiscoverySettings | undefined {
  const mode = oneOf('mode', options.mode, ['interactive', 'automatic', 'fusion'] as const) ?? 'interactive';
  if (mode === 'interactive') {
    const stray = Object.keys(DISCOVERY_OPTIONS).find((name) => name !== 'mode' && name in options);
    if (stray) throw new UsageError(`--${stray} is for finding new objects: add --mode automatic or --mode fusion`);
    return undefined;
  }
  const kinds = (['everything', 'text', 'classes'] as const).filter((name) => options[name] !== undefined);
  if (kinds.length !== 1) throw new UsageError(`--mode ${mode} needs one of --everything, --text and --classes`);
  const text = kinds[0] === 'everything' ? undefined : textOptions(options);
  const stray = EVERYTHING.find((name) => text && options[name] !== undefined);
  if (stray) throw new UsageError(`--${stray} goes with --everything`);
  for (const name of ['box-threshold', 'text-threshold', 'max-box-share'] as const) {
    if (!text && options[name] !== undefined) throw new UsageError(`--${name} goes with --text or --classes`);
  }
  const settings = {
    every: positiveNumber('every', options.every, { whole: true }) ?? DISCOVERY_DEFAULTS.every,
    lookAhead: wholeNumber('look-ahead', options['look-ahead']) ?? DISCOVERY_DEFAULTS.lookAhead,
    threshold: share('cmr-threshold', options['cmr-threshold']) ?? DISCOVERY_DEFAULTS.threshold,
    minArea: wholeNumber('min-area', options['min-area']) ?? DISCOVERY_DEFAULTS.minArea,
    maxObjects: positiveNumber('max-objects', options['max-objects'], { whole: true }) ?? DISCOVERY_DEFAULTS.maxObjects,
    maxNewShare:
      share('max-new-share', options['max-new-share']) ??
      (text ? MAX_NEW_SHARE_BY_TEXT : DISCOVERY_DEFAULTS.maxNewShare),
  };
  if (settings.maxObjects > 65535) throw new UsageError('--max-objects goes up to 65535');
  const classCaps = capsOf(options['class-cap'] ?? []);
  const review = options.review ?? false;
  const everything: EverythingOptions = {
    pointsPerSide:
      positiveNumber('points-per-side', options['points-per-side'], { whole: true }) ??
      EVERYTHING_DEFAULTS.pointsPerSide,
    predIouThresh: share('pred-iou-thresh', options['pred-iou-thresh']),
    stabilityScoreThresh: share('stability-score-thresh', options['stability-score-thresh']),
    cropNLayers: wholeNumber('crop-n-layers', options['crop-n-layers']) ?? EVERYTHING_DEFAULTS.cropNLayers,
    minMaskRegionArea:
      wholeNumber('min-mask-region-area', options['min-mask-region-area']) ?? EVERYTHING_DEFAULTS.minMaskRegionArea,
  };
  return {
    mode,
    text,
    everything,
    options: { ...settings, classCaps, review, first: mode === 'automatic' },
    identity: {
      mode,
      discovery: JSON.stringify(text ?? everything),
      ...settings,
      classCaps: JSON.stringify(classCaps),
      review: review ? 1 : 0,
    },
  };
}

function textOptions(options: Values): TextOptions {
  const classes = options.classes?.split(',').map((name) => name.trim());
  if (classes?.some((name) => name === '') || options.text?.trim() === '') {
    throw new UsageError(`--${classes ? 'classes' : 'text'} needs words`);
  }
  return {
    ...(classes ? { classes } : { text: options.text! }),
    boxThreshold: share('box-threshold', options['box-threshold']) ?? DETECTION_DEFAULTS.boxThreshold,
    textThreshold: share('text-threshold', options['text-threshold']) ?? DETECTION_DEFAULTS.textThreshold,
    maxBoxShare: share('max-box-share', options['max-box-share']) ?? 1,
  };
}

function capsOf(texts: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, number] = /^(.+)=(\d+)$/.exec(text) ?? [];
      if (name === undefined) throw new UsageError(`--class-cap is NAME=N, not "${text}"`);
      return [name.trim(), Number(number)];
    }),
  );
}

/** A number from 0 to 1. */
function share(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= 0 && value <= 1)) throw new UsageError(`--${option} needs a number from 0 to 1, not "${text}"`);
  return value;
}
