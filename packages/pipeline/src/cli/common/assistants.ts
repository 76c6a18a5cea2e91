/** Segment Anything and Grounding DINO for commands that need them besides the tracker: which weights, and loading them. */
import { basename } from 'node:path';
import type { RefiningPredictor } from '@samtrack/models';
import { embeddedSegmenter } from '@samtrack/weights/node';
import {
  type Detector,
  GroundingDinoDetector,
  SamSegmenter,
  type Segmenter,
  SmallSegmenter,
} from '../../assist/index.js';
import { loadSamPredictor, loadSmallPredictor } from '../../assist/load-predictor.js';
import { DETECTOR_NAMES, SEGMENTER_NAMES } from '../../assist/names.js';
import type { WeightsOptions } from '../../io/weights.js';
import { listed, UsageError } from '../command.js';
import { cachedWeights, isCached } from './cached-weights.js';
import type { Report } from './progress.js';
import type { TrackerSettings } from './tracking.js';

/** Names for help, in lines that begin at a column. */
export const segmenterList = (column: number): string =>
  listed([`${SEGMENTER_NAMES[0]} (comes with samtrack)`, ...SEGMENTER_NAMES.slice(1)], column);

export const SEGMENTER_HELP = `  --segmenter NAME      what turns prompts into masks:
                        ${segmenterList(24)},
                        or a checkpoint of Segment Anything; default ${SEGMENTER_NAMES[0]},
                        with --tracker sam2 the tracker itself
`;

export const DETECTOR_HELP = `  --detector NAME       Grounding DINO: ${DETECTOR_NAMES.join(', ')} or a checkpoint; default ${DETECTOR_NAMES[0]}
`;

export const SEGMENTER_OPTIONS = { segmenter: { type: 'string' } } as const;
export const DETECTOR_OPTIONS = { detector: { type: 'string' } } as const;

/** A network beside the tracker. */
export interface AssistantSettings {
  /** Name of the weights' file, for the record of a run. */
  name: string;
  /** Checkpoint file. */
  weights: string;
}

const settingsOf = (names: readonly string[], given = names[0]!, option?: string): AssistantSettings => {
  const weights = names.includes(given) ? cachedWeights(given, option) : given;
  return { name: basename(weights), weights };
};

/** The segmenter, and how it is loaded. */
export interface SegmenterSettings extends AssistantSettings {
  /** Where the segmenter is the one that comes with samtrack: the checkpoint whose image encoder it looks through. */
  tracker?: string;
  /** A larger one that was downloaded and not asked for. */
  larger?: string;
}

/**
 * @param tracker The tracker, whose network is the segmenter unless another one is named, where it takes prompts.
 * @param option The command's option that takes a checkpoint.
 * @throws UsageError where the weights were not downloaded: it says how to get them
 */
export function segmenterSettings(
  { segmenter }: { segmenter?: string },
  tracker?: Pick<TrackerSettings, 'takesPrompts' | 'weights'>,
  option = 'segmenter',
): SegmenterSettings {
  const [own, ...others] = SEGMENTER_NAMES;
  if (segmenter === undefined && tracker?.takesPrompts) return settingsOf([], tracker.weights);
  if (segmenter !== undefined && segmenter !== own) return settingsOf(others, segmenter, option);
  const files = embeddedSegmenter();
  if (!files) throw new UsageError(`no weights of ${own} come with this samtrack: choose another one with --segmenter`);
  const larger = segmenter === undefined ? others.toReversed().find(isCached) : undefined;
  return { name: own, weights: files.segmenter, tracker: files.tracker, ...(larger && { larger }) };
}

/** @throws UsageError as `segmenterSettings` */
export const detectorSettings = ({ detector }: { detector?: string }) =>
  settingsOf(DETECTOR_NAMES, detector, 'detector');

/** A segmenter; its weights are read to the tracker's GPU when it is first asked. */
export function loadSegmenter(settings: SegmenterSettings, report: Report): Segmenter {
  const { weights, tracker, larger } = settings;
  const options = { onProgress: report.loading(settings.name) };
  if (larger !== undefined) report.note(`note: ${larger} is in the cache and larger; --segmenter ${larger} uses it`);
  return tracker === undefined
    ? new SamSegmenter(weights, options)
    : new SmallSegmenter({ segmenter: weights, tracker }, options);
}

/** The segmenter's network by itself, on the GPU that is open. Throws as the segmenter does when it is first asked. */
export const loadPredictor = (
  { weights, tracker }: SegmenterSettings,
  options: WeightsOptions & { float16?: boolean },
): Promise<RefiningPredictor> =>
  tracker === undefined
    ? loadSamPredictor(weights, options)
    : loadSmallPredictor({ segmenter: weights, tracker }, options);

/** A detector; its weights are read to the tracker's GPU when it is first asked. */
export const loadDetector = (settings: AssistantSettings, report: Report): Detector =>
  new GroundingDinoDetector(settings.weights, { onProgress: report.loading(settings.name) });
