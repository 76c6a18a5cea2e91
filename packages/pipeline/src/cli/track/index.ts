/** `samtrack track`: what prompts or a mask of the first frame show, carried through a video. */
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { describedBy, everything } from '../../discovery/index.js';
import { type ObjectInfo, type ResultSummary, ResultWriter, type RunIdentity } from '../../export/index.js';
import {
  clipSource,
  FrameError,
  type FrameSource,
  fileInput,
  type LabelMap,
  labelDigest,
  labelIds,
  MASK_READINGS,
  OutputError,
  openOutputFolder,
  openSource,
  projectInputs,
  type RunInput,
  readMask,
} from '../../io/index.js';
import { checkPromptedObjects, promptedInfos } from '../../prompts/index.js';
import type { Session } from '../../session/index.js';
import { RunMemory } from '../../tracking/run-memory.js';
import { trackToFolder } from '../../tracking/track.js';
import { isUrl } from '../../tracking/weights-digest.js';
import {
  type Arguments,
  defineCommand,
  isExpected,
  oneOf,
  positiveNumber,
  UsageError,
  wholeNumber,
} from '../command.js';
import {
  DETECTOR_HELP,
  DETECTOR_OPTIONS,
  detectorSettings,
  loadDetector,
  loadSegmenter,
  SEGMENTER_HELP,
  SEGMENTER_OPTIONS,
  segmenterSettings,
} from '../common/assistants.js';
import { exportFormats, FORMATS_HELP } from '../common/export-options.js';
import { interruptible, stoppedStatus } from '../common/interrupt.js';
import { counted, Report, sourceNotes } from '../common/progress.js';
import {
  namedWeights,
  recorded,
  reportReplaced,
  runIdentity,
  TRACKER_HELP,
  TRACKER_OPTIONS,
  trackerSettings,
} from '../common/tracking.js';
import { TerminalHost, type TrackingHost } from '../common/tracking-host.js';
import { version } from '../common/version.js';
import { DISCOVERY_HELP, DISCOVERY_OPTIONS, discoverySettings } from './discovery-options.js';
import { DiscoveryRun } from './discovery-run.js';
import { openProject, trackProject } from './project.js';
import { checkPromptUse, PROMPT_HELP, PROMPT_OPTIONS, promptedObjects } from './prompt-options.js';
import { beganWithPrompts, previewPrompts, promptSession, showPrompts } from './prompt-run.js';

const HELP = `Usage: samtrack track SOURCE [--mask FILE | prompts] --out FOLDER [options]

Tracks the objects that clicks, boxes and strokes show, or a mask of the first frame, and with --mode also new ones, and
writes masks/NAME.png for every frame, overlay.mp4 with the source's sound, and coco.json.

SOURCE is a video (mp4, mov, webm, mkv), a folder or zip of images, or a DAVIS folder (with --sequence).

Input:
  --mask FILE           masks of the first frame: palette, grey or 16-bit label PNG, or one object as 0/255;
                        default for a DAVIS sequence: its own annotation
  --mask-as NAME        how to read the mask, where its file leaves it open: labels (the stored value is the object),
                        binary (one object), colours (each colour but black), alpha (one object); what is taken is said
  --resize-mask         accept a mask of another size (nearest neighbour)
  --sequence NAME       sequence of a DAVIS folder
  --fps N               frames per second of an image folder; default 24
  --from N, --to N      first frame, and the frame to stop before; default the whole source

${PROMPT_HELP}
${DISCOVERY_HELP}${SEGMENTER_HELP}${DETECTOR_HELP}
${TRACKER_HELP}
Output:
  --out FOLDER          where results go
  --format A,B          also write:
${FORMATS_HELP}  --bits N              bits of the files in masks: 8 (refuses ids above 255) or 16; default what the ids need
  --resume              go on with the results of an interrupted run, to the bytes of one without a break
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

/** Options of `samtrack track`, as `parseArgs` takes them. */
export const TRACK_OPTIONS = {
  mask: { type: 'string' },
  'mask-as': { type: 'string' },
  'resize-mask': { type: 'boolean' },
  sequence: { type: 'string' },
  fps: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  ...PROMPT_OPTIONS,
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
} as const;

/** `samtrack track`. */
export const trackCommand = defineCommand({
  name: 'track',
  summary: 'track what clicks, boxes, strokes or a first-frame mask show through a video',
  help: HELP,
  options: TRACK_OPTIONS,
  operands: true,
  run,
});

async function run(given: Arguments<typeof TRACK_OPTIONS>): Promise<number> {
  const { options } = given;
  const plan = planOf(given);
  const { out } = options;
  if (!out) throw new UsageError('track needs --out FOLDER');
  if (options.resume && options.overwrite) throw new UsageError('--resume and --overwrite exclude each other');
  const report = new Report(options.quiet);
  return interruptible(async (signal) => {
    const existing = options.resume ? 'resume' : options.overwrite ? 'replace' : options.project ? 'renew' : 'error';
    const { summary, error } = await trackVideo(plan, out, existing, new TerminalHost(report, signal));
    for (const file of summary.files) process.stdout.write(`${join(resolve(out), file)}\n`);
    if (error === undefined) return 0;
    if (!signal.aborted && !isExpected(error)) throw error;
    if (options.project) {
      report.failure(`samtrack track: stopped. ${options.project} keeps what is tracked: the same command goes on.`);
      if (!signal.aborted) report.failure((error as Error).message);
      return signal.aborted ? stoppedStatus(signal) : 1;
    }
    const goOn = plan.later
      ? ' They are kept. With --project FILE, such a run can be gone on with.'
      : error instanceof FrameError
        ? ` They are kept: add --resume to the same command to go on once the frame is mended, or --overwrite --to ${error.index} to end before it.`
        : ' They are kept: add --resume to the same command to go on.';
    const kept = summary.frames > 0 ? goOn : '';
    const cause = signal.aborted ? '' : ` ${(error as Error).message}`;
    report.failure(`samtrack track: stopped after ${counted(summary.frames, 'frame')}.${kept}${cause}`);
    return signal.aborted ? stoppedStatus(signal) : 1;
  });
}

/** What `samtrack track` was asked to do, checked. */
export type TrackPlan = ReturnType<typeof planOf>;

/**
 * Reads the arguments of `samtrack track`, but for where results go. Opens nothing but a prompt file.
 * @throws UsageError; SessionError and SourceError for the prompt file
 */
export const planTrack = (argv: readonly string[]): TrackPlan => planOf(trackCommand.parse(argv));

function planOf({ options, operands, tokens }: Arguments<typeof TRACK_OPTIONS>) {
  if (operands.length === 0) throw new UsageError('track needs a source: a video, a folder or zip of images');
  if (operands.length > 1) {
    throw new UsageError(`track takes one source, not ${operands.length}: ${operands.join(', ')}`);
  }
  const unkept = (['from', 'to', 'mode', 'resume'] as const).find((name) => options[name] !== undefined);
  if (options.project && unkept) throw new UsageError(`--project does not go with --${unkept}`);
  const discovery = discoverySettings(options);
  const range = { from: wholeNumber('from', options.from), to: wholeNumber('to', options.to) };
  const from = range.from ?? 0;
  if (range.to !== undefined && range.to <= from) {
    throw new UsageError(`--to ${range.to} is the frame to stop before: it has to be behind ${from}, the first one`);
  }
  const shown = promptedObjects(tokens, options, from);
  // What is shown in the first frame is a first mask; what is shown later needs a session, which tracks both ways.
  const later = shown?.some(({ prompts }) => prompts.some(({ frame }) => frame !== from)) ?? false;
  if (shown) checkPromptUse(options, later);
  const settings = trackerSettings(options, { exactMasks: !shown && !discovery });
  const stray = (['segmenter', 'detector'] as const).find(
    (name) => !discovery && options[name] !== undefined && !(name === 'segmenter' && shown),
  );
  if (stray) throw new UsageError(`--${stray} is for finding new objects: add --mode automatic or --mode fusion`);
  const segmenter = discovery || shown ? segmenterSettings(options, settings) : undefined;
  const detector = discovery?.text && detectorSettings(options);
  if (discovery?.mode === 'automatic' && options.mask) {
    throw new UsageError(
      '--mode automatic finds the objects of the first frame itself; with --mask it is --mode fusion',
    );
  }
  return {
    input: operands[0]!,
    options,
    settings,
    /** What prompts show. */
    shown,
    /** Whether they show something in another frame than the first. */
    later,
    discovery,
    segmenter,
    detector,
    formats: exportFormats(options.format),
    bits: oneOf('bits', options.bits, ['8', '16'] as const),
    maskAs: oneOf('mask-as', options['mask-as'], MASK_READINGS),
    palette: oneOf('palette', options.palette, ['davis', 'samtrack'] as const) ?? 'davis',
    range,
    fps: positiveNumber('fps', options.fps),
  };
}

/**
 * Tracks as planned, into a folder; after an abort or an error it holds what was done.
 * Throws what goes wrong before the first frame.
 * @throws UsageError where the range or the masks do not fit the source
 */
export async function trackVideo(
  plan: TrackPlan,
  out: string,
  existing: 'error' | 'replace' | 'resume' | 'renew',
  host: TrackingHost,
): Promise<{ summary: ResultSummary; error?: unknown }> {
  const { options, settings, shown, later, discovery, segmenter, detector, bits, range } = plan;
  const { report, signal } = host;
  const exclude = options.mask === undefined ? [] : [options.mask];
  const source = await openSource(plan.input, { fps: plan.fps, sequence: options.sequence, exclude });
  try {
    const tellNotes = sourceNotes(source, report);
    tellNotes();
    const from = range.from ?? 0;
    const { name, width, height, frameCount } = source;
    if (frameCount !== undefined && from >= frameCount) {
      throw new UsageError(`--from ${from}: there ${frameCount === 1 ? 'is' : 'are'} ${counted(frameCount, 'frame')}`);
    }
    if (shown) checkPromptedObjects(shown, { name, width, height, from, to: range.to ?? frameCount });
    const masks = segmenter && loadSegmenter(segmenter, report);
    if (shown && options.preview)
      return await previewPrompts(source, shown, masks!, out, existing, settings.engine, host);
    const hasOwnMasks = options.project !== undefined && existsSync(options.project);
    const maskFile =
      shown || discovery?.mode === 'automatic'
        ? undefined
        : (options.mask ?? (hasOwnMasks ? undefined : ownMask(source, from)));
    let firstMask =
      maskFile === undefined
        ? undefined
        : await readMask(maskFile, {
            width: source.width,
            height: source.height,
            resize: options['resize-mask'] ? 'nearest' : 'error',
            as: plan.maskAs,
            dataSet: options.mask === undefined,
            onMeaning: (meaning) => report.note(`${maskFile}: ${meaning}`),
          });
    const results = {
      folder: openOutputFolder(out),
      source,
      masks: { palette: plan.palette, bits: bits === undefined ? 'auto' : bits === '8' ? 8 : 16 },
      overlay: options['no-overlay'] ? false : {},
      coco: options['no-coco'] ? false : {},
      formats: plan.formats,
      inputs: inputsOf(maskFile, options.project, [settings.weights, segmenter?.weights, detector?.weights]),
      existing,
    } as const;
    const identityOf = async (mask: LabelMap | undefined): Promise<RunIdentity> => ({
      ...(await runIdentity(settings)),
      // A project has masks of its own.
      ...(options.project === undefined
        ? {
            mask: mask ? { name: basename(maskFile ?? 'prompts'), digest: await labelDigest(mask) } : null,
            ...(shown && { prompts: JSON.stringify(shown) }),
          }
        : // Nor does it zoom unless it is told to.
          { project: basename(options.project), zoom: settings.tracking.zoom === 'auto' ? 'auto' : null }),
      ...recorded(range),
      ...discovery?.identity,
      ...(segmenter && options.project === undefined && { segmenter: await namedWeights(segmenter.weights) }),
      ...(detector && { detector: await namedWeights(detector.weights) }),
    });
    // Where results may not go is said before models are loaded; the masks of prompts are not known before.
    const identity = existing === 'resume' && !shown ? await identityOf(firstMask) : undefined;
    await ResultWriter.check({ ...results, identity });
    if (options.project !== undefined) await openOutputFolder(dirname(options.project)).checkWritable?.();
    // Weights first: results that are there are replaced only once there is something to replace them with.
    const begin = (session: Session) =>
      shown
        ? promptSession(session, source, from, shown, masks!, host)
        : session.prompt({ frame: 0, mask: firstMask ?? missingMask() });
    const goOn = async (session: Session) => {
      const isSame = shown
        ? await beganWithPrompts(session, from, source, shown, masks!, host)
        : options.mask === undefined || !firstMask || session.beganWith({ frame: 0, mask: firstMask });
      if (isSame) return;
      const [given, without] = shown ? ['the prompts', 'them'] : [options.mask, '--mask'];
      throw new OutputError(
        'resume-mismatch',
        options.project!,
        `it began with other masks than those of ${given}; without ${without} it goes on with its own`,
      );
    };
    const project =
      options.project === undefined && !later
        ? undefined
        : await openProject(options.project, clipSource(source, from, range.to), begin, goOn, settings, report, signal);
    const own = project ? undefined : await host.acquire(settings);
    const tracker = project?.st.tracker ?? own!;
    const assistants: { dispose(): unknown }[] = [
      project?.st ?? { dispose: () => host.release(tracker) },
      ...(masks ? [masks] : []),
    ];
    try {
      if (shown && !project) firstMask = (await showPrompts(source, shown, masks!, host))[0]!.labels;
      const infos = shown ? promptedInfos(shown) : new Map<number, ObjectInfo>();
      const writer = await ResultWriter.open({
        ...results,
        objects: infos,
        engine: tracker.engineName,
        onReplace: (files) => reportReplaced(report, resolve(out), files),
        identity: await identityOf(firstMask),
      });
      const memory = own && (await RunMemory.open(own, writer, version()));
      let finding: DiscoveryRun | undefined;
      if (discovery) {
        const boxes = detector && loadDetector(detector, report);
        const onProgress = (fraction: number) =>
          report.progress(`looking for objects, ${Math.round(100 * fraction)} %`, fraction);
        if (boxes) assistants.push(boxes);
        const candidates = boxes
          ? describedBy(boxes, masks!, discovery.text!)
          : everything(masks!, { ...discovery.everything, onProgress });
        finding = await DiscoveryRun.open({ writer, memory, settings: discovery, candidates, infos, report });
      }
      report.note(
        `${source.name}: ${source.width}x${source.height}${source.frameCount === undefined ? '' : `, ${counted(source.frameCount, 'frame')}`}, ` +
          `${objectCount(shown?.length ?? project?.session.objects.length ?? (firstMask && labelIds(firstMask).length))}; ${settings.identity.model} on ${tracker.device}`,
      );
      const { summary, error } = project
        ? await trackProject({
            project,
            source,
            range,
            backward: shown !== undefined,
            writesParts: options.project === undefined,
            writer,
            host,
          })
        : await trackToFolder({
            source,
            tracker,
            firstMask,
            reviser: finding?.discoverer,
            writer,
            ...range,
            signal,
            memory,
            memoryFrames: host.memoryFrames,
            onProgress: (progress) => host.onProgress(tracker, progress),
          });
      report.end();
      tellNotes();
      for (const warning of summary.warnings) report.note(`note: ${warning}`);
      const wanted = Math.min(range.to ?? Number.POSITIVE_INFINITY, frameCount ?? Number.POSITIVE_INFINITY) - from;
      const isPart = range.from !== undefined || range.to !== undefined;
      const total = Number.isFinite(wanted) ? wanted : summary.frames;
      const done = Number.isFinite(wanted) ? `${summary.frames} of ` : '';
      report.note(
        `${done}${counted(total, 'frame')}${isPart ? ' of the range' : ''} ${total === 1 ? 'has a mask' : 'have masks'}` +
          (isPart ? ` (${frameCount ?? 'unknown'} in the source)` : ''),
      );
      if (finding?.foundNothing) report.note('note: no new objects were found');
      return { summary, error };
    } finally {
      for (const loaded of assistants.reverse()) await loaded.dispose();
    }
  } finally {
    await source.close();
  }
}

const objectCount = (objects: number | undefined): string =>
  objects === undefined ? 'objects to be found' : counted(objects, 'object');

/** The annotation of a DAVIS sequence's frame. */
function ownMask({ annotations, frameNames = [] }: FrameSource, frame: number): string {
  if (!annotations) return missingMask();
  return join(annotations, `${frameNames[frame]}.png`);
}

function missingMask(): never {
  throw new UsageError('track needs --mask FILE, the masks of the first frame, or prompts such as --point X,Y');
}

/** What a run reads besides its source. */
function inputsOf(
  mask: string | undefined,
  project: string | undefined,
  weights: readonly (string | undefined)[],
): RunInput[] {
  return [
    ...(mask === undefined ? [] : [fileInput(mask, 'the mask of the first frame')]),
    ...weights.filter((file) => file !== undefined && !isUrl(file)).map((file) => fileInput(file!, 'the weights')),
    ...(project === undefined ? [] : projectInputs(project)),
  ];
}
