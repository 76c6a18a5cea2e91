/** The options of `samtrack segment` that say what to segment. */
import type { EverythingOptions, SamPrompt, Stroke } from '@samtrack/models';
import { positiveNumber, UsageError, wholeNumber } from '../command.js';
import { boxCorners, labelledPoints, numbers, pointLine } from '../common/coordinates.js';

export const WANTED_HELP = `What to segment, coordinates in pixels of the image:
  --point LIST            points of one object, "x,y" on it and "x,y,0" beside it, apart by blanks or each with
                          --point; --points is the same
  --box X0,Y0,X1,Y1       a box around the object; given several times without points, an object each
  --stroke LIST           a line over the object, "x,y x,y ..."
  --background LIST       a line over what does not belong to it; may be given several times
  --pen-width N           width of the strokes; default 1
  --passes N              2 (default) shows the best mask to the network once more, 1 does not
  --everything            all objects, instead of prompts

With --everything (names and defaults of the published mask generator):
  --points-per-side N             points along each side of the grid; default 32
  --points-per-batch N            points between two looks for Ctrl-C; default 64
  --pred-iou-thresh N             masks of a predicted IoU above it stay; default 0.88, SAM 2.1 0.8,
                                  samtrack-small 0.5
  --stability-score-thresh N      masks of this stability stay; default 0.95, samtrack-small 0.5
  --stability-score-offset N      shift of the threshold that stability is measured with; default 1
  --box-nms-thresh N              IoU of boxes above which the worse goes; default 0.7
  --crop-n-layers N               layers of crops, each with twice as many a side; default 0
  --crop-nms-thresh N             as --box-nms-thresh, between crops; default 0.7
  --crop-overlap-ratio N          overlap of crops; default 0.3413
  --crop-n-points-downscale-factor N   fewer points in deeper layers; default 1
  --min-mask-region-area N        holes and islands below so many pixels are removed; default 0
`;

export const WANTED_OPTIONS = {
  point: { type: 'string', multiple: true },
  points: { type: 'string' },
  box: { type: 'string', multiple: true },
  stroke: { type: 'string' },
  background: { type: 'string', multiple: true },
  'pen-width': { type: 'string' },
  passes: { type: 'string' },
  everything: { type: 'boolean' },
  'points-per-side': { type: 'string' },
  'points-per-batch': { type: 'string' },
  'pred-iou-thresh': { type: 'string' },
  'stability-score-thresh': { type: 'string' },
  'stability-score-offset': { type: 'string' },
  'box-nms-thresh': { type: 'string' },
  'crop-n-layers': { type: 'string' },
  'crop-nms-thresh': { type: 'string' },
  'crop-overlap-ratio': { type: 'string' },
  'crop-n-points-downscale-factor': { type: 'string' },
  'min-mask-region-area': { type: 'string' },
} as const;

type Options = typeof WANTED_OPTIONS;
type Values = {
  [name in keyof Options]?: Options[name] extends { multiple: true }
    ? string[]
    : Options[name]['type'] extends 'string'
      ? string
      : boolean;
};

/** What the user wants segmented. */
export type WantedMasks =
  | { kind: 'everything'; options: EverythingOptions }
  | { kind: 'stroke'; stroke: Stroke }
  /** One prompt an object. */
  | { kind: 'prompts'; prompts: SamPrompt[]; passes: 1 | 2 };

/** Options that only one way of asking knows. */
const EVERYTHING_ONLY = Object.keys(WANTED_OPTIONS).filter((name) =>
  /-(thresh|offset|layers|ratio|factor|area|side|batch)$/.test(name),
);

/** @throws UsageError */
export function wantedMasks(values: Values): WantedMasks {
  const ways = [
    values.everything && '--everything',
    values.stroke !== undefined && '--stroke',
    (values.point ?? values.points ?? values.box) !== undefined && '--point and --box',
  ].filter(Boolean);
  if (ways.length === 0) throw new UsageError('segment needs --point, --box, --stroke or --everything');
  if (ways.length > 1) throw new UsageError(`${ways.join(' and ')} do not go together`);
  const given = (name: string) => values[name as keyof Values] !== undefined;
  if (values.everything) {
    const stray = ['background', 'pen-width', 'passes'].find(given);
    if (stray) throw new UsageError(`--${stray} does not go with --everything`);
    return { kind: 'everything', options: everythingOptions(values) };
  }
  const stray = EVERYTHING_ONLY.find(given);
  if (stray) throw new UsageError(`--${stray} goes with --everything`);
  if (values.stroke !== undefined) {
    if (values.passes !== undefined) throw new UsageError('--passes does not go with --stroke');
    return {
      kind: 'stroke',
      stroke: {
        points: pointLine('stroke', values.stroke),
        background: values.background?.map((line) => pointLine('background', line)),
        width: positiveNumber('pen-width', values['pen-width']),
      },
    };
  }
  for (const name of ['background', 'pen-width']) if (given(name)) throw new UsageError(`--${name} goes with --stroke`);
  const passes = wholeNumber('passes', values.passes) ?? 2;
  if (passes !== 1 && passes !== 2) throw new UsageError(`--passes is 1 or 2, not ${passes}`);
  return { kind: 'prompts', prompts: prompts(values), passes };
}

function prompts({ point = [], points, box = [] }: Values): SamPrompt[] {
  const boxes = box.map((text) => boxCorners('box', text));
  const list = [
    ...point.flatMap((text) => labelledPoints('point', text)),
    ...(points === undefined ? [] : labelledPoints('points', points)),
  ];
  if (list.length === 0) return boxes.map((corners) => ({ box: corners }));
  if (boxes.length > 1) throw new UsageError('--point goes with one --box at most: they are of one object');
  return [{ points: list.map(({ point }) => point), labels: list.map(({ label }) => label), box: boxes[0] }];
}

/** The options of the generator that are given; what they may be is checked where they are used. */
function everythingOptions(values: Values): EverythingOptions {
  const number = (name: keyof Values): number | undefined => {
    const text = values[name] as string | undefined;
    if (text === undefined) return undefined;
    const [value] = numbers(name, text);
    return value;
  };
  const options: EverythingOptions = {
    pointsPerSide: number('points-per-side'),
    pointsPerBatch: number('points-per-batch'),
    predIouThresh: number('pred-iou-thresh'),
    stabilityScoreThresh: number('stability-score-thresh'),
    stabilityScoreOffset: number('stability-score-offset'),
    boxNmsThresh: number('box-nms-thresh'),
    cropNLayers: number('crop-n-layers'),
    cropNmsThresh: number('crop-nms-thresh'),
    cropOverlapRatio: number('crop-overlap-ratio'),
    cropNPointsDownscaleFactor: number('crop-n-points-downscale-factor'),
    minMaskRegionArea: number('min-mask-region-area'),
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
