/** `samtrack track`: the masks of the first frame, carried through a video. */
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DEAOT_CONFIGS, type DeAotName, type MemoryPolicy } from '@samtrack/models';
import { labelIds, openOutputFolder, openSource, ResultWriter, readMask } from '../io/index.js';
import { trackToFolder } from '../tracking/track.js';
import { VideoTracker } from '../tracking/video-tracker.js';
import { type Command, isExpected, oneOf, positiveNumber, UsageError, wholeNumber } from './command.js';
import { defaultWeights } from './default-weights.js';
import { formatDuration, ProgressLine } from './progress.js';

const POLICIES = ['sparse', 'fifo', 'unbounded'] as const satisfies readonly MemoryPolicy[];

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

Model:
  --model NAME          ${Object.keys(DEAOT_CONFIGS).join(', ')}; default deaot-t
  --weights FILE        .pth or .safetensors; default the weights that come with samtrack (deaot-t)
  --long-edge N         longest side of the network's input; default 1040
  --long-term-gap N     frames between predicted frames that are memorised; default the model's own
  --memory-mb N         most memory for remembered frames, in MB; default 1024, never exceeded
  --memory-policy NAME  what goes when it is full: ${POLICIES.join(', ')}; default sparse
  --adapter NAME        part of the name of the GPU to use

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
  model: { type: 'string' },
  weights: { type: 'string' },
  'long-edge': { type: 'string' },
  'long-term-gap': { type: 'string' },
  'memory-mb': { type: 'string' },
  'memory-policy': { type: 'string' },
  adapter: { type: 'string' },
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
  if (!options.out) throw new UsageError('track needs --out FOLDER');
  if (options.resume && options.overwrite) throw new UsageError('--resume and --overwrite exclude each other');
  const model = oneOf('model', options.model, Object.keys(DEAOT_CONFIGS) as DeAotName[]) ?? 'deaot-t';
  const weights = options.weights ?? defaultWeights(model);
  const paletteName = oneOf('palette', options.palette, ['davis', 'samtrack'] as const) ?? 'davis';
  const settings = {
    longEdge: wholeNumber('long-edge', options['long-edge']),
    longTermGap: wholeNumber('long-term-gap', options['long-term-gap']),
    memoryMB: positiveNumber('memory-mb', options['memory-mb']),
    memoryPolicy: oneOf('memory-policy', options['memory-policy'], POLICIES),
  };
  const range = { from: wholeNumber('from', options.from), to: wholeNumber('to', options.to) };

  const line = new ProgressLine(options.quiet ? { write: () => {} } : process.stderr);
  const note = (text: string) => {
    line.end();
    if (!options.quiet) process.stderr.write(`${text}\n`);
  };
  const controller = new AbortController();
  const stop = () => controller.abort(new Error('stopped'));
  process.once('SIGINT', stop);
  const source = await openSource(positionals[0]!, {
    fps: positiveNumber('fps', options.fps),
    sequence: options.sequence,
  });
  let tracker: VideoTracker | undefined;
  try {
    const maskFile = options.mask ?? (await ownMask(source, range.from ?? 0));
    const firstMask = await readMask(maskFile, {
      width: source.width,
      height: source.height,
      resize: options['resize-mask'] ? 'nearest' : 'error',
    });
    const writer = await ResultWriter.open({
      folder: openOutputFolder(options.out),
      source,
      masks: { palette: paletteName },
      overlay: options['no-overlay'] ? false : {},
      coco: options['no-coco'] ? false : {},
      existing: options.resume ? 'resume' : options.overwrite ? 'replace' : 'error',
      identity: { model, weights: basename(weights), mask: basename(maskFile), ...flat(settings), ...flat(range) },
    });
    tracker = await VideoTracker.load({
      model,
      weights,
      ...settings,
      gpu: { adapter: options.adapter },
      signal: controller.signal,
      onProgress: (fraction) => line.show(`loading ${basename(weights)}`, fraction),
      onDeviceLost: (message) => note(`The GPU was lost (${message}); opened again, going on.`),
    });
    const loaded = tracker;
    if (loaded.unexpectedKeys.length > 0) {
      note(
        `${basename(weights)}: ${loaded.unexpectedKeys.length} tensors that ${model} does not know, such as "${loaded.unexpectedKeys[0]}"`,
      );
    }
    note(
      `${source.name}: ${source.width}x${source.height}${source.frameCount === undefined ? '' : `, ${source.frameCount} frames`}, ` +
        `${labelIds(firstMask).length} objects; ${model} on ${loaded.adapter.description || loaded.adapter.device}`,
    );
    const { summary, error } = await trackToFolder({
      source,
      tracker: loaded,
      firstMask,
      writer,
      ...range,
      signal: controller.signal,
      onProgress: ({ done, total, tracked, seconds }) => {
        const fps = tracked / Math.max(seconds, 1e-9);
        const left = total === undefined || tracked === 0 ? '' : `, ${formatDuration((total - done) / fps)} left`;
        const memory = (loaded.memory.rememberedBytes / 1e6).toFixed(0);
        line.show(
          `frame ${done}${total === undefined ? '' : `/${total}`}${tracked ? `, ${fps.toFixed(2)} fps${left}` : ''}, memory ${memory} MB`,
          total === undefined ? undefined : done / total,
        );
      },
    });
    line.end();
    for (const warning of summary.warnings) note(`note: ${warning}`);
    for (const file of summary.files) process.stdout.write(`${join(resolve(options.out), file)}\n`);
    if (error === undefined) return 0;
    note(
      `Stopped after ${summary.frames} frames; ${controller.signal.aborted ? '' : `${(error as Error).message}. `}` +
        'They are kept: add --resume to the same command to go on.',
    );
    if (controller.signal.aborted) return 130;
    if (!isExpected(error)) throw error;
    return 1;
  } finally {
    process.off('SIGINT', stop);
    tracker?.dispose();
    await source.close();
  }
}

/** The first annotation of a DAVIS sequence. */
async function ownMask(source: { annotations?: string; name: string }, from: number): Promise<string> {
  if (!source.annotations) throw new UsageError('track needs --mask FILE: the masks of the first frame');
  return join(source.annotations, `${String(from).padStart(5, '0')}.png`);
}

/** Options as a run's identity: those not given are null. */
const flat = (options: Record<string, string | number | undefined>) =>
  Object.fromEntries(Object.entries(options).map(([key, value]) => [key, value ?? null]));
