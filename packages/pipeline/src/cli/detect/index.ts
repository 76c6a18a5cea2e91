/** `samtrack detect`: boxes around what a text names, in pictures. */
import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { GroundingDetector, GroundingDino } from '@samtrack/models';
import { DETECTOR_NAMES } from '../../assist/names.js';
import { openEngine } from '../../engine/index.js';
import { IMAGE_EXTENSION, imageFiles } from '../../io/image-source.js';
import { checkOwnedFile, fileInput, openOutputFolder, openSource, writeOwnedFile } from '../../io/index.js';
import { withWeights } from '../../io/weights.js';
import { type Arguments, defineCommand, oneOf, positiveNumber, UsageError } from '../command.js';
import { cachedWeights } from '../common/cached-weights.js';
import { ENGINE_HELP, ENGINE_OPTIONS, engineSettings } from '../common/engine-options.js';
import { interruptible } from '../common/interrupt.js';
import { Report } from '../common/progress.js';
import { type CocoGroundTruth, cocoReport, cocoResults, readGroundTruth } from './coco-ground-truth.js';
import { WANTED_HELP, WANTED_OPTIONS, whatToFind, whatToKeep } from './options.js';
import { cocoDataset, describeDetections, detectionLines, type ImageDetections, labelledBoxes } from './output.js';
import { writeDetectionPicture } from './picture.js';

const MODELS = DETECTOR_NAMES;

const HELP = `Usage: samtrack detect IMAGE... --text TEXT | --classes A,B,... | --ground-truth FILE [options]

Finds what a text names in images with Grounding DINO, and prints a line "image score label x0 y0 x1 y1" for each
box, parts apart by tabs, corners in pixels. IMAGE may also be a folder of images, or a video, whose frames are
looked at one by one. Finding nothing is no failure.

${WANTED_HELP}
Model:
  --model NAME            ${MODELS.join(' or ')}; default ${MODELS[0]}
  --weights FILE          .pth or .safetensors; default the model's download (see \`samtrack weights\`)
  --short-edge N          side that the image's shorter side is resized to; default 800
  --long-edge N           what its longer side is kept to; default 1333

${ENGINE_HELP}
Output:
  --json FILE             what was found, as JSON
  --coco FILE             the same as a COCO dataset; needs --classes. With --ground-truth, a COCO result file
  --out PICTURE           the image with boxes and labels (.png, .jpg, .webp); for several images, a folder
  -q, --quiet             no progress
  -h, --help              print this

Exit status: 0 done, 1 a failure, 2 wrong usage, 130 stopped.
`;

const OPTIONS = {
  ...WANTED_OPTIONS,
  model: { type: 'string' },
  weights: { type: 'string' },
  'short-edge': { type: 'string' },
  'long-edge': { type: 'string' },
  ...ENGINE_OPTIONS,
  'ground-truth': { type: 'string' },
  json: { type: 'string' },
  coco: { type: 'string' },
  out: { type: 'string' },
  quiet: { type: 'boolean', short: 'q' },
} as const;

export const detectCommand = defineCommand({
  name: 'detect',
  summary: 'find what a text names in images',
  help: HELP,
  options: OPTIONS,
  operands: true,
  run,
});

async function run({ options, operands }: Arguments<typeof OPTIONS>): Promise<number> {
  if (operands.length === 0) throw new UsageError('detect takes an image');
  const truth = await groundTruth(options);
  const wanted = truth ? classesOf(truth) : whatToFind(options);
  // Under an evaluation all pairs of box and class count, the best 300 of an image.
  const keep = whatToKeep(options, truth ? { boxThreshold: 0, limit: 300 } : {});
  if (options.coco && !('classes' in wanted)) throw new UsageError('--coco needs --classes');
  const model = oneOf('model', options.model, MODELS) ?? MODELS[0];
  const weights = options.weights ?? cachedWeights(model);
  const edge = (name: 'short-edge' | 'long-edge') => positiveNumber(name, options[name], { whole: true });
  const size = { shortEdge: edge('short-edge'), longEdge: edge('long-edge') };
  const engine = engineSettings(options);
  const report = new Report(options.quiet);

  return interruptible(async (signal) => {
    const inputs = await listInputs(operands);
    const pictures = options.out === undefined ? undefined : await pictureFiles(options.out, inputs);
    const read = inputs.map((file) => fileInput(file, 'an image that is looked at'));
    // Names of videos' frames are not known yet.
    const drawn = pictures ? inputs.filter((input) => IMAGE_EXTENSION.test(input)).map(pictures) : [];
    for (const file of [options.json, options.coco, ...drawn]) {
      if (file === undefined) continue;
      await checkOwnedFile(file, read);
    }
    const opened = await openEngine(engine);
    report.note(opened.reason);
    try {
      const network = await loadNetwork(weights, report, signal);
      const detector = new GroundingDetector(network, size);
      const images: ImageDetections[] = [];
      try {
        for await (const { file, width, height, rgba } of framesOf(inputs, signal)) {
          report.progress(`looking at ${file}`);
          const answer = await detector.detect({ width, height, data: rgba }, { ...wanted, ...keep, signal });
          report.end();
          const image = describeDetections({ file, width, height }, answer, wanted);
          if (images.length === 0) reportCut(answer.captions, report);
          images.push(image);
          if (!truth) process.stdout.write(detectionLines(image));
          if (pictures)
            await writeDetectionPicture(pictures(file), { width, height, rgba }, labelledBoxes(image), read);
        }
      } finally {
        detector.dispose();
        network.dispose();
      }
      const record = { weights: basename(weights), ...wanted, ...keep, images };
      if (options.json) await writeOwnedFile(options.json, `${JSON.stringify(record, null, 2)}\n`, read);
      if (options.coco && 'classes' in wanted) {
        const coco = truth ? cocoResults(truth, images) : cocoDataset(images, wanted.classes);
        await writeOwnedFile(options.coco, `${JSON.stringify(coco)}\n`, read);
      }
      if (truth) process.stdout.write(cocoReport(truth, images));
      return 0;
    } finally {
      opened.close();
    }
  });
}

/** What `--ground-truth` names. @throws UsageError, EvaluationError */
async function groundTruth(options: {
  'ground-truth'?: string;
  text?: string;
  classes?: string;
}): Promise<CocoGroundTruth | undefined> {
  const file = options['ground-truth'];
  if (file === undefined) return undefined;
  if (options.text !== undefined || options.classes !== undefined) {
    throw new UsageError('--ground-truth says which classes to look for; leave out --text and --classes');
  }
  return readGroundTruth(file);
}

const classesOf = ({ categories }: CocoGroundTruth) => ({
  classes: categories.map(({ name }) => name),
  scoring: 'span' as const,
});

function loadNetwork(weights: string, report: Report, signal: AbortSignal): Promise<GroundingDino> {
  const options = { signal, onProgress: report.loading(basename(weights)) };
  return withWeights(weights, options, (checkpoint) => GroundingDino.load(checkpoint, { signal }));
}

/** Files to look at: a folder stands for its images, which may differ in size. */
async function listInputs(paths: readonly string[]): Promise<string[]> {
  const lists = paths.map(async (path) => {
    const isFolder = (await stat(path).catch(() => undefined))?.isDirectory();
    if (!isFolder) return [path];
    const images = imageFiles(await readdir(path)).map((name) => join(path, name));
    if (images.length === 0) throw new UsageError(`there are no images in ${path}`);
    return images;
  });
  return (await Promise.all(lists)).flat();
}

/** The frames of all inputs, each with a name of its own: an image's is its file name, a video's are numbered. */
async function* framesOf(inputs: readonly string[], signal: AbortSignal) {
  const taken = new Map<string, number>();
  for (const input of inputs) {
    const source = await openSource(input);
    try {
      for await (const { name, width, height, rgba } of source.frames({ signal })) {
        const file = source.kind === 'video' ? `${source.name}-${name}` : basename(input);
        const times = (taken.get(file) ?? 0) + 1;
        taken.set(file, times);
        yield { file: times === 1 ? file : `${times}-${file}`, width, height, rgba };
      }
    } finally {
      await source.close();
    }
  }
}

const PICTURE = /\.(png|jpe?g|webp)$/i;

/** Where the picture of each frame goes: the one file that was given, or PNG files in the folder that was given. */
async function pictureFiles(out: string, inputs: readonly string[]): Promise<(frame: string) => string> {
  if (PICTURE.test(out)) {
    const single = inputs.length === 1 && IMAGE_EXTENSION.test(inputs[0]!);
    if (!single) throw new UsageError(`--out is a folder where there are several images, not ${out}`);
    return () => out;
  }
  await openOutputFolder(out).checkWritable?.();
  return (frame) => join(out, `${basename(frame, extname(frame))}.png`);
}

/** Says what of the text the network cannot see. */
function reportCut(captions: readonly { text: string; cut: number }[], report: Report): void {
  const cut = captions.reduce((sum, caption) => sum + caption.cut, 0);
  if (cut > 0) report.note(`note: the text is too long: ${cut} tokens beyond the 256th are ignored`);
}
