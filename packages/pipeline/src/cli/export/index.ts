/** `samtrack export`: the results of a run in other formats. */
import { join, resolve } from 'node:path';
import { exportResults } from '../../export/index.js';
import { openOutputFolder, openSource } from '../../io/index.js';
import { type Arguments, defineCommand, oneOf, positiveNumber, UsageError } from '../command.js';
import { exportFormats, FORMATS_HELP } from '../common/export-options.js';
import { interruptible } from '../common/interrupt.js';
import { Report, sourceNotes } from '../common/progress.js';

const HELP = `Usage: samtrack export RESULTS --source SOURCE --format A,B [options]

Writes the results of \`samtrack track\`, or of a DAVIS sequence, in other formats. Frames keep their names and numbers.

  --source SOURCE       what was tracked: a video, a folder of images, or a DAVIS folder (with --sequence)
  --format A,B          what to write:
${FORMATS_HELP}  --out FOLDER          where it goes; default RESULTS
  --sequence NAME       sequence of a DAVIS folder
  --fps N               frames per second of an image folder; default 24
  --palette NAME        voc, davis (default) or samtrack: colours of mask files
  --gif-edge N          longest side of GIFs; default 480
  --partial             accept frames without a mask and masks without a frame: they are left out
  --json                print what was made, and the names of what was left out, as JSON
  -q, --quiet           no progress
  -h, --help            print this

Nothing is replaced but what samtrack itself made there.
Exit status: 0 done, 1 a failure or something left out, 2 wrong usage, 130 stopped.
`;

const OPTIONS = {
  source: { type: 'string' },
  format: { type: 'string', multiple: true },
  out: { type: 'string' },
  sequence: { type: 'string' },
  fps: { type: 'string' },
  palette: { type: 'string' },
  'gif-edge': { type: 'string' },
  partial: { type: 'boolean' },
  json: { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
} as const;

export const exportCommand = defineCommand({
  name: 'export',
  summary: 'write results in other formats',
  help: HELP,
  options: OPTIONS,
  operands: true,
  run,
});

async function run({ options, operands }: Arguments<typeof OPTIONS>): Promise<number> {
  const [results, ...more] = operands;
  if (results === undefined || more.length > 0) {
    throw new UsageError(`export takes one folder of results, not ${operands.length}`);
  }
  if (!options.source) throw new UsageError('export needs --source: what the results are of');
  const formats = exportFormats(options.format);
  if (formats.length === 0) throw new UsageError('export needs --format');
  const palette = oneOf('palette', options.palette, ['voc', 'davis', 'samtrack'] as const) ?? 'davis';
  const fps = positiveNumber('fps', options.fps);
  const gifEdge = positiveNumber('gif-edge', options['gif-edge'], { whole: true });
  const out = options.out ?? results;
  const report = new Report(options.quiet);

  return interruptible(async (signal) => {
    const source = await openSource(options.source!, { fps, sequence: options.sequence });
    try {
      const tellNotes = sourceNotes(source, report);
      tellNotes();
      const { frames, framesWithoutMask, masksWithoutFrame, files, warnings } = await exportResults({
        results: openOutputFolder(results),
        source,
        formats,
        folder: openOutputFolder(out),
        palette,
        gifEdge,
        signal,
        onProgress: ({ done, total }) => report.progress(`frame ${done}/${total}`, done / total),
      });
      report.end();
      tellNotes();
      for (const warning of warnings) report.note(`note: ${warning}`);
      const paths = files.map((file) => join(resolve(out), file));
      const isWhole = framesWithoutMask.length === 0 && masksWithoutFrame.length === 0;
      if (options.json) {
        const summary = { frames, complete: isWhole, framesWithoutMask, masksWithoutFrame, files: paths };
        process.stdout.write(`${JSON.stringify(summary, null, 1)}\n`);
      } else {
        for (const file of paths) process.stdout.write(`${file}\n`);
      }
      const counts = [
        `${frames} frames exported`,
        ...count(framesWithoutMask, 'frames without a mask'),
        ...count(masksWithoutFrame, 'masks without a frame'),
      ].join('; ');
      if (isWhole || options.partial) {
        report.note(counts);
        return 0;
      }
      report.failure(`samtrack export: ${counts}. --partial accepts this`);
      return 1;
    } finally {
      await source.close();
    }
  });
}

/** How many there are, and the names of the first ones; nothing for none. */
function count(names: readonly string[], what: string): string[] {
  if (names.length === 0) return [];
  const first = names.length > 6 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
  return [`${names.length} ${what}: ${first}`];
}
