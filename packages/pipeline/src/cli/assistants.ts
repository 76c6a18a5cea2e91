/** Segment Anything and Grounding DINO for commands that need them besides the tracker: which weights, and loading them. */
import { basename } from 'node:path';
import { type Detector, GroundingDinoDetector, SamSegmenter, type Segmenter } from '../assist/index.js';
import { cachedWeights } from './cached-weights.js';
import type { Report } from './progress.js';

const SEGMENTERS = ['sam-vit-b', 'sam-vit-l', 'sam-vit-h', 'mobile-sam'] as const;
const DETECTORS = ['grounding-dino-t', 'grounding-dino-b'] as const;

export const SEGMENTER_HELP = `  --segmenter NAME      Segment Anything: ${SEGMENTERS.join(', ')} or a checkpoint; default ${SEGMENTERS[0]}
`;

export const DETECTOR_HELP = `  --detector NAME       Grounding DINO: ${DETECTORS.join(', ')} or a checkpoint; default ${DETECTORS[0]}
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

const settingsOf = (names: readonly string[], given = names[0]!): AssistantSettings => {
  const weights = names.includes(given) ? cachedWeights(given) : given;
  return { name: basename(weights), weights };
};

/** @throws UsageError where the weights were not downloaded: it says how to get them */
export const segmenterSettings = ({ segmenter }: { segmenter?: string }) => settingsOf(SEGMENTERS, segmenter);

/** @throws UsageError as `segmenterSettings` */
export const detectorSettings = ({ detector }: { detector?: string }) => settingsOf(DETECTORS, detector);

/** A segmenter; its weights are read to the tracker's GPU when it is first asked. */
export const loadSegmenter = (settings: AssistantSettings, report: Report): Segmenter =>
  new SamSegmenter(settings.weights, { onProgress: report.loading(settings.name) });

/** A detector; its weights are read to the tracker's GPU when it is first asked. */
export const loadDetector = (settings: AssistantSettings, report: Report): Detector =>
  new GroundingDinoDetector(settings.weights, { onProgress: report.loading(settings.name) });
