/** `samtrack track`: the masks of the first frame, carried through a video. */
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type FrameSource,
  labelIds,
  type ObjectInfo,
  openOutputFolder,
  openSource,
  type ResultSummary,
  ResultWriter,
  readMask,
} from '../io/index.js';
import { describedBy, everything } from '../modes/index.js';
import { trackToFolder } from '../tracking/track.js';
import {
  DETECTOR_HELP,
  DETECTOR_OPTIONS,
  detectorSettings,
  loadDetector,
  loadSegmenter,
  SEGMENTER_HELP,
  SEGMENTER_OPTIONS,
  segmenterSettings,
} from './assistants.js';
import { type Command, isExpected, oneOf, positiveNumber, UsageError, wholeNumber } from './command.js';
import { DISCOVERY_HELP, DISCOVERY_OPTIONS, discoverySettings } from './discovery-options.js';
import { DiscoveryRun } from './discovery-run.js';
import { exportFormats, FORMATS_HELP } from './export-options.js';
import { INTERRUPTED, interruptible } from './interrupt.js';
import { Report } from './progress.js';
import { openProject, trackProject } from './project.js';
import { recorded, TRACKER_HELP, TRACKER_OPTIONS, trackerSettings } from './tracking.js';
import { TerminalHost, type TrackingHost } from './tracking-host.js';

const HELP = `Usage: samtrack track SOURCE [--mask FILE] --out FOLDER [options]

Tracks the objects that a mask shows in the first frame, and with --mode also new ones, and writes masks/NAME.png for
every frame, overlay.mp4 with the source's sound, and coco.json.

SOURCE is a video (mp4, mov, webm, mkv), a folder or zip of images, or a DAVIS folder (with --sequence).

Input:
  --mask FILE           masks of the first frame: palette, grey or 16-bit label PNG, or one object as 0/255;
                        default for a DAVIS sequence: its own annotation
  --resize-mask         accept a mask of another size (nearest neighbour)
  --sequence NAME       sequence of a DAVIS folder
  --fps N               frames per second of an image folder; default 24
  --from N, --to N      first frame, and the frame to stop before; default the whole source

${DISCOVERY_HELP}${SEGMENTER_HELP}${DETECTOR_HELP}
${TRACKER_HELP}
Output:
  --out FOLDER          where results go
  --format A,B          also write:
${FORMATS_HELP}  --bits N              bits of the files in masks: 8 (refuses ids above 255) or 16; default what the ids need
  --resume              go on with the results of an interrupted run
  --project FILE        keep the run in a project file, and go on with the one that is there, with the corrections
                        made to it in a session; --memory-mb is then for all that is allocated
  --overwrite           delete the results that are there
  --palette NAME        davis (default) or samtrack: colours of the mask files
  --no-overlay          no overlay.mp4
  --no-coco             no coco.json
  -q, --quiet           no progress
  -h, --help            print this

Ctrl-C keeps what is done. Exit status: 0 done, 1 a failure, 2 wrong usage, 130 stopped.
`;

const OPTIONS = {
  mask: { type: 'string' },
  'resize-mask': { type: 'boolean' },
  sequence: { type: 'string' },
  fps: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  ...DISCOVERY_OPTIONS,
  ...SEGMENTER_OPTIONS,
  ...DETECTOR_OPTIONS,
  ...TRACKER_OPTIONS,
  out: { type: 'string' },
  resume: { type: 'boolean' },
  project: { type: 'string' },
  overwrite: { type: 'boolean' },
  palette: { type: 'string' },
  format: { type: 'string', multiple: true },
  bits: { type: 'string' },
  'no-overlay': { type: 'boolean' },
  'no-coco': { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
  help: { type: 'boolean', short: 'h' },
} as const;

export const trackCommand: Command = {
  name: 'track',
  summary: 'track the objects of a first-frame mask through a video',
  help: HELP,
  run,
};

async function run(argv: string[]): Promise<number> {
  const options = parse(argv).values;
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const plan = planTrack(argv);
  const { out } = options;
  if (!out) throw new UsageError('track needs --out FOLDER');
  if (options.resume && options.overwrite) throw new UsageError('--resume and --overwrite exclude each other');
  const report = new Report(options.quiet);
  return interruptible(async (signal) => {
    const existing = options.resume ? 'resume' : options.overwrite || options.project ? 'replace' : 'error';
    const { summary, error } = await trackVideo(plan, out, existing, new TerminalHost(report, signal));
    for (const file of summary.files) process.stdout.write(`${join(resolve(out), file)}\n`);
    if (error === undefined) return 0;
    if (!signal.aborted && !isExpected(error)) throw error;
    if (options.project) {
      report.failure(`samtrack track: stopped. ${options.project} keeps what is tracked: the same command goes on.`);
      if (!signal.aborted) report.failure((error as Error).message);
      return signal.aborted ? INTERRUPTED : 1;
    }
    const kept = summary.frames > 0 ? ' They are kept: add --resume to the same command to go on.' : '';
    const cause = signal.aborted ? '' : ` ${(error as Error).message}`;
    report.failure(`samtrack track: stopped after ${summary.frames} frames.${kept}${cause}`);
    return signal.aborted ? INTERRUPTED : 1;
  });
}

const parse = (argv: string[]) => parseArgs({ args: argv, options: OPTIONS, allowPositionals: true });

/** What `samtrack track` was asked to do, checked. */
export type TrackPlan = ReturnType<typeof planTrack>;

/**
 * Reads the arguments of `samtrack track`, but for where results go. Opens nothing.
 * @throws UsageError
 */
export function planTrack(argv: string[]) {
  const { values: options, positionals } = parse(argv);
  if (positionals.length !== 1) throw new UsageError(`track takes one source, not ${positionals.length}`);
  const settings = trackerSettings(options);
  const unkept = (['from', 'to', 'mode', 'resume'] as const).find((name) => options[name] !== undefined);
  if (options.project && (unkept || settings.tracker !== 'deaot')) {
    throw new UsageError(`--project does not go with --${unkept ?? 'tracker propagation'}`);
  }
  const discovery = discoverySettings(options);
  const stray = (['segmenter', 'detector'] as const).find((name) => !discovery && options[name] !== undefined);
  if (stray) throw new UsageError(`--${stray} is for finding new objects: add --mode automatic or --mode fusion`);
  const segmenter = discovery && segmenterSettings(options);
  const detector = discovery?.text && detectorSettings(options);
  if (discovery?.mode === 'automatic' && options.mask) {
    throw new UsageError(
      '--mode automatic finds the objects of the first frame itself; with --mask it is --mode fusion',
    );
  }
  return {
    input: positionals[0]!,
    options,
    settings,
    discovery,
    segmenter,
    detector,
    formats: exportFormats(options.format),
    bits: oneOf('bits', options.bits, ['8', '16'] as const),
    palette: oneOf('palette', options.palette, ['davis', 'samtrack'] as const) ?? 'davis',
    range: { from: wholeNumber('from', options.from), to: wholeNumber('to', options.to) },
    fps: positiveNumber('fps', options.fps),
  };
}

/**
 * Tracks as planned, into a folder; after an abort or an error it holds what was done.
 * Throws what goes wrong before the first frame.
 */
export async function trackVideo(
  plan: TrackPlan,
  out: string,
  existing: 'error' | 'replace' | 'resume',
  host: TrackingHost,
): Promise<{ summary: ResultSummary; error?: unknown }> {
  const { options, settings, discovery, segmenter, detector, bits, range } = plan;
  const { report, signal } = host;
  const source = await openSource(plan.input, { fps: plan.fps, sequence: options.sequence });
  try {
    const maskFile = discovery?.mode === 'automatic' ? undefined : (options.mask ?? ownMask(source, range.from ?? 0));
    const firstMask =
      maskFile === undefined
        ? undefined
        : await readMask(maskFile, {
            width: source.width,
            height: source.height,
            resize: options['resize-mask'] ? 'nearest' : 'error',
          });
    // Weights first: results that are there are replaced only once there is something to replace them with.
    const project =
      options.project === undefined
        ? undefined
        : await openProject(options.project, source, firstMask!, settings, report, signal);
    const own = project ? undefined : await host.acquire(settings);
    const tracker = project?.st.tracker ?? own!;
    const assistants: { dispose(): unknown }[] = [project?.st ?? { dispose: () => host.release(tracker) }];
    try {
      const folder = openOutputFolder(out);
      const infos = new Map<number, ObjectInfo>();
      const writer = await ResultWriter.open({
        folder,
        source,
        masks: { palette: plan.palette, bits: bits === undefined ? 'auto' : bits === '8' ? 8 : 16 },
        overlay: options['no-overlay'] ? false : {},
        coco: options['no-coco'] ? false : {},
        formats: plan.formats,
        objects: infos,
        existing,
        identity: {
          ...settings.identity,
          mask: maskFile === undefined ? null : basename(maskFile),
          ...recorded(range),
          ...discovery?.identity,
          ...(segmenter && { segmenter: segmenter.name, detector: detector?.name ?? null }),
        },
      });
      let finding: DiscoveryRun | undefined;
      if (discovery) {
        const masks = loadSegmenter(segmenter!, report);
        const boxes = detector && loadDetector(detector, report);
        assistants.push(masks, ...(boxes ? [boxes] : []));
        const candidates = boxes ? describedBy(boxes, masks, discovery.text!) : everything(masks, discovery.everything);
        finding = await DiscoveryRun.open({
          folder,
          settings: discovery,
          candidates,
          done: writer.done,
          infos,
          report,
        });
      }
      report.note(
        `${source.name}: ${source.width}x${source.height}${source.frameCount === undefined ? '' : `, ${source.frameCount} frames`}, ` +
          `${firstMask ? `${labelIds(firstMask).length} objects` : 'objects to be found'}; ${settings.identity.model} on ${tracker.adapter.description || tracker.adapter.device}`,
      );
      const { summary, error } = project
        ? await trackProject(project, writer, report, signal)
        : await trackToFolder({
            source,
            tracker,
            firstMask,
            reviser: finding?.discoverer,
            writer,
            ...range,
            signal,
            onProgress: (progress) => host.onProgress(tracker, progress),
          });
      report.end();
      for (const warning of summary.warnings) report.note(`note: ${warning}`);
      if (finding) summary.files.push(...(await finding.finish()));
      return { summary, error };
    } finally {
      for (const loaded of assistants.reverse()) await loaded.dispose();
    }
  } finally {
    await source.close();
  }
}

/** The annotation of a DAVIS sequence's frame. */
function ownMask({ annotations }: Pick<FrameSource, 'annotations'>, frame: number): string {
  if (!annotations) throw new UsageError('track needs --mask FILE: the masks of the first frame');
  return join(annotations, `${String(frame).padStart(5, '0')}.png`);
}
