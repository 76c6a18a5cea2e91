/** What commands that track have in common: the options of the tracker, loading it, and reporting how far it is. */
import { basename } from 'node:path';
import type { MemoryPolicy } from '@samtrack/models';
import type { EngineOptions } from '../../engine/index.js';
import type { NamedDigest, RunIdentity } from '../../export/index.js';
import { TrackingError } from '../../tracking/errors.js';
import type { TrackProgress } from '../../tracking/track.js';
import {
  TRACKER_KINDS,
  TRACKERS,
  type TrackerKind,
  type TrackerModel,
  trackerChoice,
  trackerModels,
} from '../../tracking/tracker-kinds.js';
import { type Quality, VideoTracker } from '../../tracking/video-tracker.js';
import { weightsDigest } from '../../tracking/weights-digest.js';
import { listed, oneOf, positiveNumber, UsageError } from '../command.js';
import { defaultWeights } from './default-weights.js';
import { ENGINE_HELP, ENGINE_OPTIONS, engineSettings } from './engine-options.js';
import { formatDuration, type Report } from './progress.js';

const POLICIES = ['sparse', 'fifo', 'unbounded'] as const satisfies readonly MemoryPolicy[];

const STRAYS = ['drop', 'keep'] as const;

const ZOOMS = ['auto', 'off'] as const;

const QUALITIES = ['standard', 'high'] as const satisfies readonly Quality[];

/** Options that not every tracker has a use for. */
const SPECIAL = {
  model: 'model',
  'long-term-gap': 'longTermGap',
  'memory-policy': 'memoryPolicy',
  zoom: 'zoom',
  quality: 'quality',
} as const;

const hasUseFor = (kind: TrackerKind, option: keyof typeof SPECIAL) => TRACKERS[kind].options.includes(SPECIAL[option]);

const MODELS = TRACKER_KINDS.filter((kind) => hasUseFor(kind, 'model')).flatMap((kind) => TRACKERS[kind].models);

export const TRACKER_HELP = `Model:
  --tracker NAME        a kind or a model of one: ${TRACKER_KINDS.join(', ')}; default ${TRACKER_KINDS[0]}. Propagation needs no training
                        on video: labels follow image features; any number of objects, coarse edges. SAM 2.1 remembers
                        each object by itself and knows when one is gone; its cost grows with them
  --model NAME          ${listed(MODELS, 24)}; default the kind's first
  --weights FILE        .pth, .pt or .safetensors; default the weights that come with samtrack (deaot-t), or were pulled
  --long-edge N         longest side of the network's input; default 1040 (own weights: 641,
                        propagation: 849, SAM 2.1: 1024, and multiples of 32)
  --long-term-gap N     frames between predicted frames that are memorised; default the model's own
  --memory-mb N         most memory for remembered frames, in MB; default 1024, never exceeded
  --memory-policy NAME  what goes when it is full: ${POLICIES.join(', ')}; default sparse
  --strays NAME         parts of an object that appear far from it, mostly other things that look like it:
                        ${STRAYS.join(', ')}; default drop with the weights that come with samtrack
  --quality NAME        ${QUALITIES.join(', ')}; high gives the network frames a third larger each way, in place of --long-edge:
                        finer masks of small and thin things for about 1.8 times the time; default standard
  --zoom NAME           auto looks at small objects through a window around them, at up to twice the resolution and the
                        same cost; ${ZOOMS.join(', ')}; default auto with the weights that come with samtrack and a given
                        mask; off where prompts or text show the objects, whose masks are less exact, and with
                        --project

${ENGINE_HELP}`;

export const TRACKER_OPTIONS = {
  tracker: { type: 'string' },
  model: { type: 'string' },
  weights: { type: 'string' },
  'long-edge': { type: 'string' },
  'long-term-gap': { type: 'string' },
  'memory-mb': { type: 'string' },
  'memory-policy': { type: 'string' },
  strays: { type: 'string' },
  quality: { type: 'string' },
  zoom: { type: 'string' },
  ...ENGINE_OPTIONS,
} as const;

/** The options of the tracker, checked. */
export interface TrackerSettings {
  tracker: TrackerKind;
  /** Whether its network turns prompts into masks, too. */
  takesPrompts: boolean;
  model: TrackerModel;
  weights: string;
  engine: EngineOptions;
  /** Whatever results depend on, for the record of a run. */
  identity: Record<string, string | number | null>;
  tracking: {
    longEdge?: number;
    longTermGap?: number;
    memoryMB?: number;
    memoryPolicy?: MemoryPolicy;
    strays?: (typeof STRAYS)[number];
    quality?: Quality;
    zoom?: (typeof ZOOMS)[number];
  };
}

/** `trackerChoice` of options as they were typed. @throws UsageError */
function choiceOf({ tracker, model }: { tracker?: string; model?: string }): ReturnType<typeof trackerChoice> {
  const given = {
    tracker: oneOf('tracker', tracker, [...TRACKER_KINDS, ...trackerModels()]),
    model: oneOf('model', model, MODELS),
  };
  try {
    return trackerChoice(given);
  } catch (error) {
    throw error instanceof TrackingError ? new UsageError(error.message) : error;
  }
}

/**
 * @param exactMasks Whether the first masks are given, not found: a window would enlarge what is wrong with those.
 * @throws UsageError
 */
export function trackerSettings(
  options: { [name in keyof typeof TRACKER_OPTIONS]?: string },
  { exactMasks = true }: { exactMasks?: boolean } = {},
): TrackerSettings {
  const { tracker, model } = choiceOf(options);
  for (const name of Object.keys(SPECIAL) as (keyof typeof SPECIAL)[]) {
    if (options[name] === undefined || hasUseFor(tracker, name)) continue;
    const kinds = TRACKER_KINDS.filter((kind) => hasUseFor(kind, name));
    throw new UsageError(`--${name} is for --tracker ${kinds.join(' and ')}`);
  }
  if (options.quality !== undefined && options['long-edge'] !== undefined) {
    throw new UsageError(
      '--quality and --long-edge both say how large the input of the network is: one of them is enough',
    );
  }
  const weights = options.weights ?? defaultWeights(model);
  const tracking = {
    longEdge: positiveNumber('long-edge', options['long-edge'], { whole: true }),
    longTermGap: positiveNumber('long-term-gap', options['long-term-gap'], { whole: true }),
    memoryMB: positiveNumber('memory-mb', options['memory-mb']),
    memoryPolicy: oneOf('memory-policy', options['memory-policy'], POLICIES),
    strays: oneOf('strays', options.strays, STRAYS),
    quality: oneOf('quality', options.quality, QUALITIES),
    zoom: oneOf('zoom', options.zoom, ZOOMS) ?? (!exactMasks && hasUseFor(tracker, 'zoom') ? 'off' : undefined),
  };
  const identity = {
    model: hasUseFor(tracker, 'model') ? model : tracker,
    weights: basename(weights),
    ...recorded(tracking),
  };
  const takesPrompts = TRACKERS[tracker].takesPrompts === true;
  return { tracker, takesPrompts, model, weights, engine: engineSettings(options), identity, tracking };
}

/** Options as part of a run's identity: those not given are null. */
export const recorded = (options: Record<string, string | number | undefined>) =>
  Object.fromEntries(Object.entries(options).map(([key, value]) => [key, value ?? null]));

/** Whatever results depend on, with the weights by their content. @throws CheckpointError */
export async function runIdentity({ identity, weights }: TrackerSettings): Promise<RunIdentity> {
  return { ...identity, weights: await namedWeights(weights) };
}

/** Weights by their content. @throws CheckpointError */
export async function namedWeights(location: string): Promise<NamedDigest> {
  return { name: basename(location), digest: await weightsDigest(location) };
}

/** Says what is about to be deleted. */
export function reportReplaced(report: Report, folder: string, files: readonly string[]): void {
  const counts = new Map<string, number>();
  for (const file of files) {
    const [top, inner] = file.split('/', 2) as [string, string?];
    const what = inner === undefined ? top : `${top}/`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  const parts = [...counts].map(([what, count]) => (what.endsWith('/') ? `${count} files in ${what}` : what));
  const shortened = parts.length > 8 ? [...parts.slice(0, 6), `${parts.length - 6} more files`] : parts;
  report.note(`deleting what an earlier run made in ${folder}: ${shortened.join(', ')}`);
}

/**
 * Opens the GPU and loads the weights. Throws as `VideoTracker.load`.
 * @param onDeviceLost Called when the GPU was lost and has been opened again; the run ends where it throws.
 */
export async function loadTracker(
  { tracker: kind, model, weights, engine, tracking }: TrackerSettings,
  report: Report,
  signal: AbortSignal,
  onDeviceLost: (tracker: VideoTracker, message: string) => void,
): Promise<VideoTracker> {
  const file = basename(weights);
  const tracker: VideoTracker = await VideoTracker.load({
    tracker: kind,
    model,
    weights,
    ...tracking,
    ...engine,
    signal,
    onProgress: report.loading(file),
    onDeviceLost: (message) => onDeviceLost(tracker, message),
  });
  report.end();
  report.note(tracker.engineReason);
  const unknown = tracker.unexpectedKeys;
  if (unknown.length > 0) {
    report.note(`${file}: ${unknown.length} tensors that ${model} does not know, such as "${unknown[0]}"`);
  }
  return tracker;
}

/** Tells how far a run is. */
export function reportProgress(report: Report, tracker: VideoTracker, progress: TrackProgress, prefix = ''): void {
  const { done, total, tracked, seconds } = progress;
  const fps = tracked / Math.max(seconds, 1e-9);
  const left = total === undefined || tracked === 0 ? '' : `, ${formatDuration((total - done) / fps)} left`;
  const speed = tracked > 0 ? `, ${fps.toFixed(2)} fps${left}` : '';
  const memory = (tracker.memory.rememberedBytes / 1e6).toFixed(0);
  report.progress(
    `${prefix}frame ${done}${total === undefined ? '' : `/${total}`}${speed}, memory ${memory} MB`,
    total === undefined ? undefined : done / total,
  );
}
