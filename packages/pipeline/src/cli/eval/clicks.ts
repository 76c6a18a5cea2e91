/** `samtrack eval clicks`: how good the masks of single frames are after so many clicks, and from the exact box. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Segmenter } from '../../assist/index.js';
import { rleIou } from '../../discovery/index.js';
import { openEngine } from '../../engine/index.js';
import {
  encodeRle,
  type Frame,
  type FrameSource,
  labelIds,
  openDavisSequence,
  readMask,
  rleBbox,
} from '../../io/index.js';
import { clickOn } from '../../metrics/clicks.js';
import { EvaluationError } from '../../metrics/index.js';
import { type Arguments, defineCommand, namesOf, positiveNumber, UsageError } from '../command.js';
import { loadSegmenter, SEGMENTER_HELP, SEGMENTER_OPTIONS, segmenterSettings } from '../common/assistants.js';
import { ENGINE_HELP, ENGINE_OPTIONS, engineSettings } from '../common/engine-options.js';
import { interruptible } from '../common/interrupt.js';
import { Report } from '../common/progress.js';

const HELP = `Usage: samtrack eval clicks --root FOLDER [options]

Measures a segmenter on the first, the middle and the last annotated frame of sequences of DAVIS: mean IoU of every object's
mask after simulated clicks, the first in the middle of the object, each other one in the middle of the widest error, and
from its exact box.

  --root FOLDER         DAVIS: JPEGImages and Annotations
  --sequences A,B       these sequences; default all that there are
  --resolution NAME     folder below JPEGImages and Annotations; default 480p
  --clicks A,B          after how many clicks; default 1,3,5
${SEGMENTER_HELP}  --json                print every object's IoUs as JSON
  -q, --quiet           no progress
  -h, --help            print this

${ENGINE_HELP}`;

const OPTIONS = {
  root: { type: 'string' },
  sequences: { type: 'string' },
  resolution: { type: 'string' },
  clicks: { type: 'string' },
  ...SEGMENTER_OPTIONS,
  ...ENGINE_OPTIONS,
  json: { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
} as const;

/** IoUs of one object in one frame. */
interface ObjectScores {
  sequence: string;
  frame: string;
  object: number;
  /** After each click; the last one counts on where there was no error left to click on. */
  clicks: number[];
  box: number;
  /** Of all predictions, encoding of the frame included. */
  seconds: number;
}

/** `samtrack eval clicks` */
export const clicksCommand = defineCommand({
  name: 'clicks',
  summary: 'masks of single frames after so many clicks, and from the exact box',
  help: HELP,
  options: OPTIONS,
  operands: true,
  run,
});

async function run({ options, operands }: Arguments<typeof OPTIONS>): Promise<number> {
  if (operands.length > 0) throw new UsageError(`eval clicks takes no "${operands.join(' ')}"`);
  const { root, resolution = '480p' } = options;
  if (root === undefined) throw new UsageError('eval clicks needs --root');
  const counts = (options.clicks ?? '1,3,5').split(',').map((text) => positiveNumber('clicks', text, { whole: true })!);
  const settings = segmenterSettings(options);
  const engine = engineSettings(options);
  const report = new Report(options.quiet);
  return interruptible(async (signal) => {
    const sequences = namesOf('sequences', options.sequences) ?? (await annotated(root, resolution));
    const opened = await openEngine(engine);
    report.note(opened.reason);
    const segmenter = loadSegmenter(settings, report);
    try {
      const scores: ObjectScores[] = [];
      for (const [i, sequence] of sequences.entries()) {
        scores.push(...(await scoreSequence(root, resolution, sequence, segmenter, Math.max(...counts), signal)));
        report.progress(`${sequence} (${i + 1}/${sequences.length})`, (i + 1) / sequences.length);
      }
      report.end();
      process.stdout.write(
        options.json
          ? `${JSON.stringify({ segmenter: settings.name, scores }, null, 1)}\n`
          : tableOf(scores, sequences, counts),
      );
      return 0;
    } finally {
      segmenter.dispose();
      opened.close();
    }
  });
}

/** Sequences that have pictures and annotations. */
async function annotated(root: string, resolution: string): Promise<string[]> {
  const folder = join(root, 'Annotations', resolution);
  const names = await readdir(folder, { withFileTypes: true }).catch((cause) => {
    throw new EvaluationError('not-found', folder, 'no such folder', { cause });
  });
  return names
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
}

async function scoreSequence(
  root: string,
  resolution: string,
  sequence: string,
  segmenter: Segmenter,
  clicks: number,
  signal: AbortSignal,
): Promise<ObjectScores[]> {
  const folder = join(root, 'Annotations', resolution, sequence);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.png') && !name.startsWith('.')).sort();
  const stems = names.map((name) => name.slice(0, -'.png'.length));
  const chosen = new Set([stems[0], stems[Math.floor((stems.length - 1) / 2)], stems.at(-1)]);
  const source = await openDavisSequence(root, sequence, { resolution });
  const scores: ObjectScores[] = [];
  try {
    for await (const frame of framesNamed(source, chosen)) {
      const truth = await readMask(join(folder, `${frame.name}.png`), {
        ...sizeOf(frame),
        allowEmpty: true,
        dataSet: true,
      });
      for (const object of labelIds(truth)) {
        const pixels = Uint8Array.from(truth.data, (id) => (id === object ? 1 : 0));
        const start = performance.now();
        await segmenter.setImage(frame, { signal });
        const after: number[] = [];
        for await (const { iou } of clickOn(segmenter, pixels, truth, { signal })) {
          after.push(iou);
          if (after.length >= clicks) break;
        }
        while (after.length < clicks) after.push(after.at(-1) ?? 0);
        const wanted = encodeRle(pixels, truth.width, truth.height);
        const [x, y, w, h] = rleBbox(wanted);
        const [found] = await segmenter.predict({ box: [x, y, x + w, y + h] }, { signal });
        const box = found ? rleIou(found.mask, wanted) : 0;
        scores.push({
          sequence,
          frame: frame.name,
          object,
          clicks: after,
          box,
          seconds: (performance.now() - start) / 1000,
        });
      }
    }
  } finally {
    await source.close();
  }
  return scores;
}

const sizeOf = ({ width, height }: Frame) => ({ width, height });

async function* framesNamed(source: FrameSource, names: ReadonlySet<string | undefined>): AsyncGenerator<Frame> {
  for await (const frame of source.frames()) if (names.has(frame.name)) yield frame;
}

/** Means in per cent: a row a sequence, and one for all objects. */
function tableOf(scores: readonly ObjectScores[], sequences: readonly string[], counts: readonly number[]): string {
  const mean = (values: readonly number[]) => (100 * values.reduce((sum, value) => sum + value, 0)) / values.length;
  const width = Math.max(...sequences.map((name) => name.length), 'all objects'.length);
  const row = (name: string, some: readonly ObjectScores[]) =>
    [
      name.padEnd(width),
      ...counts.map((count) =>
        mean(some.map(({ clicks }) => clicks[count - 1]!))
          .toFixed(1)
          .padStart(9),
      ),
      mean(some.map(({ box }) => box))
        .toFixed(1)
        .padStart(9),
    ].join('');
  const heads = [...counts.map((count) => `${count} click${count === 1 ? '' : 's'}`), 'box'];
  const rows = sequences.flatMap((name) => {
    const some = scores.filter(({ sequence }) => sequence === name);
    return some.length > 0 ? [row(name, some)] : [];
  });
  return `${[''.padEnd(width) + heads.map((head) => head.padStart(9)).join(''), ...rows, row('all objects', scores)].join('\n')}\n`;
}
