/** The options of `samtrack detect` that say what to look for and what to keep. */
import {
  CaptionError,
  classCaption,
  type GroundingOptions,
  type PhraseSpans,
  preprocessCaption,
  type Wanted,
} from '@samtrack/models';
import { DETECTION_DEFAULTS } from '../../assist/defaults.js';
import { positiveNumber, UsageError } from '../command.js';

export const WANTED_HELP = `What to look for:
  --text TEXT             things, separated by full stops: "a cat. a remote control."
  --classes A,B,...       class names; each box is of the first class that its words contain
  --class-scores          with --classes: score every class at every box, as evaluations on COCO do
  --ground-truth FILE     the categories of a COCO annotation file, every class at every box, and the scores of what is
                          found: average precision and recall in per cent
  --token-spans JSON      with --text: phrases as lists of [start, end] in it, such as [[[2,5]],[[9,12]]]

What to keep:
  --box-threshold N       least score of a box, 0..1; default 0.3
  --text-threshold N      least score of a word of its label, 0..1; default 0.25
  --remove-combined       labels keep to one of the things that full stops separate
  --nms N                 drop boxes that overlap better ones by more than this IoU; default keep them
  --max-box-share N       drop boxes that cover more than this share of the image; default keep them
  --limit N               keep so many of the best
`;

export const WANTED_OPTIONS = {
  text: { type: 'string' },
  classes: { type: 'string' },
  'class-scores': { type: 'boolean' },
  'token-spans': { type: 'string' },
  'box-threshold': { type: 'string' },
  'text-threshold': { type: 'string' },
  'remove-combined': { type: 'boolean' },
  nms: { type: 'string' },
  'max-box-share': { type: 'string' },
  limit: { type: 'string' },
} as const;

type Values = {
  [name in keyof typeof WANTED_OPTIONS]?: (typeof WANTED_OPTIONS)[name]['type'] extends 'string' ? string : boolean;
};

/** @throws UsageError */
export function whatToFind(options: Values): Wanted {
  const { text, classes, 'class-scores': classScores, 'token-spans': spans } = options;
  if ((text === undefined) === (classes === undefined)) throw new UsageError('detect needs --text or --classes');
  if (text !== undefined) {
    if (classScores) throw new UsageError('--class-scores goes with --classes');
    check('text', () => preprocessCaption(text));
    return spans === undefined ? { text } : { text, phrases: parseSpans(spans) };
  }
  if (spans !== undefined) throw new UsageError('--token-spans goes with --text');
  const names = classes!.split(',').map((name) => name.trim());
  check('classes', () => classCaption(names));
  return { classes: names, scoring: classScores ? 'span' : 'phrase' };
}

/** Finds unusable texts before the weights are loaded. */
function check(option: string, use: () => unknown): void {
  try {
    use();
  } catch (error) {
    throw error instanceof CaptionError ? new UsageError(`--${option}: ${error.message}`) : error;
  }
}

function parseSpans(json: string): PhraseSpans[] {
  const usage = new UsageError(`--token-spans is a list of phrases, each a list of [start, end], not ${json}`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw usage;
  }
  const isSpan = (span: unknown) => Array.isArray(span) && span.length === 2 && span.every(Number.isInteger);
  const isPhrase = (phrase: unknown) => Array.isArray(phrase) && phrase.length > 0 && phrase.every(isSpan);
  if (!Array.isArray(value) || value.length === 0 || !value.every(isPhrase)) throw usage;
  return value;
}

/**
 * @param defaults Where they differ from those of the command line.
 * @throws UsageError
 */
export function whatToKeep(
  options: Values,
  defaults: Pick<GroundingOptions, 'boxThreshold' | 'limit'> = {},
): GroundingOptions {
  const keep: GroundingOptions = {
    boxThreshold: share('box-threshold', options) ?? defaults.boxThreshold ?? 0.3,
    textThreshold: share('text-threshold', options) ?? DETECTION_DEFAULTS.textThreshold,
  };
  if (options['remove-combined']) keep.removeCombined = true;
  const [nms, maxBoxShare] = [share('nms', options), share('max-box-share', options)];
  const limit = positiveNumber('limit', options.limit, { whole: true }) ?? defaults.limit;
  if (nms !== undefined) keep.nms = nms;
  if (maxBoxShare !== undefined) keep.maxBoxShare = maxBoxShare;
  if (limit !== undefined) keep.limit = limit;
  return keep;
}

/** A number from 0 to 1. */
function share(
  name: 'box-threshold' | 'text-threshold' | 'nms' | 'max-box-share',
  options: Values,
): number | undefined {
  const text = options[name];
  if (text === undefined) return undefined;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= 0 && value <= 1)) throw new UsageError(`--${name} needs a number from 0 to 1, not "${text}"`);
  return value;
}
