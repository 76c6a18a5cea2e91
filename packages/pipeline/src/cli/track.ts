/** `samtrack track`: the masks of the first frame, carried through a video. */
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type FrameSource, labelIds, openOutputFolder, openSource, ResultWriter, readMask } from '../io/index.js';
import { trackToFolder } from '../tracking/track.js';
import { type Command, isExpected, oneOf, positiveNumber, UsageError, wholeNumber } from './command.js';
import { INTERRUPTED, interruptible } from './interrupt.js';
import { Report } from './progress.js';
import { loadTracker, recorded, reportProgress, TRACKER_HELP, TRACKER_OPTIONS, trackerSettings } from './tracking.js';

const HELP = `Usage: samtrack track SOURCE [--mask FILE] --out FOLDER [options]

Tracks the objects that a mask shows in the first frame, and writes masks/NAME.png for every frame,
overlay.mp4 with the source's sound, and coco.json.

SOURCE is a video (mp4, mov, webm, mkv), a folder of images, or a DAVIS folder (with --sequence).

Input:
  --mask FILE           masks of the first frame: palette, grey or 16-bit label PNG, or one object as 0/255;
                        default for a DAVIS sequence: its own annotation
  --resize-mask         accept a mask of another size (nearest neighbour)
  --sequence NAME       sequence of a DAVIS folder
  --fps N               frames per second of an image folder; default 24
  --from N, --to N      first frame, and the frame to stop before; default the whole source

${TRACKER_HELP}
Output:
  --out FOLDER          where results go
  --resume              go on with the results of an interrupted run
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
  ...TRACKER_OPTIONS,
  out: { type: 'string' },
  resume: { type: 'boolean' },
  overwrite: { type: 'boolean' },
  palette: { type: 'string' },
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
  const { values: options, positionals } = parseArgs({ args: argv, options: OPTIONS, allowPositionals: true });
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals.length !== 1) throw new UsageError(`track takes one source, not ${positionals.length}`);
  const { out } = options;
  if (!out) throw new UsageError('track needs --out FOLDER');
  if (options.resume && options.overwrite) throw new UsageError('--resume and --overwrite exclude each other');
  const settings = trackerSettings(options);
  const palette = oneOf('palette', options.palette, ['davis', 'samtrack'] as const) ?? 'davis';
  const range = { from: wholeNumber('from', options.from), to: wholeNumber('to', options.to) };
  const fps = positiveNumber('fps', options.fps);
  const report = new Report(options.quiet);

  return interruptible(async (signal) => {
    const source = await openSource(positionals[0]!, { fps, sequence: options.sequence });
    try {
      const maskFile = options.mask ?? ownMask(source, range.from ?? 0);
      const firstMask = await readMask(maskFile, {
        width: source.width,
        height: source.height,
        resize: options['resize-mask'] ? 'nearest' : 'error',
      });
      // Weights first: results that are there are replaced only once there is something to replace them with.
      const tracker = await loadTracker(settings, report, signal);
      try {
        const writer = await ResultWriter.open({
          folder: openOutputFolder(out),
          source,
          masks: { palette },
          overlay: options['no-overlay'] ? false : {},
          coco: options['no-coco'] ? false : {},
          existing: options.resume ? 'resume' : options.overwrite ? 'replace' : 'error',
          identity: { ...settings.identity, mask: basename(maskFile), ...recorded(range) },
        });
        report.note(
          `${source.name}: ${source.width}x${source.height}${source.frameCount === undefined ? '' : `, ${source.frameCount} frames`}, ` +
            `${labelIds(firstMask).length} objects; ${settings.model} on ${tracker.adapter.description || tracker.adapter.device}`,
        );
        const { summary, error } = await trackToFolder({
          source,
          tracker,
          firstMask,
          writer,
          ...range,
          signal,
          onProgress: (progress) => reportProgress(report, tracker, progress),
        });
        report.end();
        for (const warning of summary.warnings) report.note(`note: ${warning}`);
        for (const file of summary.files) process.stdout.write(`${join(resolve(out), file)}\n`);
        if (error === undefined) return 0;
        if (!signal.aborted && !isExpected(error)) throw error;
        const kept = summary.frames > 0 ? ' They are kept: add --resume to the same command to go on.' : '';
        const cause = signal.aborted ? '' : ` ${(error as Error).message}`;
        report.failure(`samtrack track: stopped after ${summary.frames} frames.${kept}${cause}`);
        return signal.aborted ? INTERRUPTED : 1;
      } finally {
        tracker.dispose();
      }
    } finally {
      await source.close();
    }
  });
}

/** The annotation of a DAVIS sequence's frame. */
function ownMask({ annotations }: Pick<FrameSource, 'annotations'>, frame: number): string {
  if (!annotations) throw new UsageError('track needs --mask FILE: the masks of the first frame');
  return join(annotations, `${String(frame).padStart(5, '0')}.png`);
}
