/** `samtrack segment`: masks of objects in a picture, from clicks, boxes or strokes, or of everything in it. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type PixelImage, type RefiningPredictor, type SamMask, segmentEverything } from '@samtrack/models';
import { SEGMENTER_NAMES } from '../../assist/names.js';
import { openEngine } from '../../engine/index.js';
import { checkOwnedFile, type Frame, fileInput, openSource, SourceError, writeOwnedFile } from '../../io/index.js';
import { type Arguments, defineCommand, oneOf, UsageError, wholeNumber } from '../command.js';
import { loadPredictor, type SegmenterSettings, segmenterList, segmenterSettings } from '../common/assistants.js';
import { ENGINE_HELP, ENGINE_OPTIONS, engineSettings } from '../common/engine-options.js';
import { interruptible } from '../common/interrupt.js';
import { Report } from '../common/progress.js';
import { WANTED_HELP, WANTED_OPTIONS, type WantedMasks, wantedMasks } from './options.js';
import { checkObjects, type SegmentedObject, writeObjects } from './output.js';

const HELP = `Usage: samtrack segment IMAGE --out FOLDER (prompts | --everything) [options]

Segments objects of an image, and writes mask.png (object ids), overlay.png and masks.json
(run lengths as in COCO, predicted IoU, stability). Prints a line "id area predicted-iou stability" for each mask.
IMAGE may also be a video, of which one frame is taken.

${WANTED_HELP}
Model:
  --model NAME            ${segmenterList(26)};
                          default ${SEGMENTER_NAMES[0]}
  --weights FILE          checkpoint of Segment Anything, .pth or .safetensors; default the model's download
                          (see \`samtrack weights\`)
  --float16               Segment Anything: keep the image encoder's matrices as float16: half of the memory, sums in float32
  --embedding FILE        use an embedding saved before instead of encoding the image
  --save-embedding FILE   save the image's embedding

${ENGINE_HELP}
Input and output:
  --frame N               frame of a video, from 0; default 0
  --out FOLDER            where results go
  --candidates            write all masks of a prompt, best first, not only the best
  --each                  also a PNG for each mask and metadata.csv
  -q, --quiet             no progress
  -h, --help              print this

Exit status: 0 done, 1 a failure, 2 wrong usage, 130 stopped.
`;

const OPTIONS = {
  ...WANTED_OPTIONS,
  model: { type: 'string' },
  weights: { type: 'string' },
  float16: { type: 'boolean' },
  embedding: { type: 'string' },
  'save-embedding': { type: 'string' },
  ...ENGINE_OPTIONS,
  frame: { type: 'string' },
  out: { type: 'string' },
  candidates: { type: 'boolean' },
  each: { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
} as const;

export const segmentCommand = defineCommand({
  name: 'segment',
  summary: 'segment objects of an image from clicks, boxes, strokes, or all of them',
  help: HELP,
  options: OPTIONS,
  operands: true,
  run,
});

async function run({ options, operands }: Arguments<typeof OPTIONS>): Promise<number> {
  const [input, ...more] = operands;
  if (input === undefined || more.length > 0) throw new UsageError('segment takes one image');
  const { out: folder } = options;
  if (folder === undefined) throw new UsageError('segment needs --out FOLDER');
  const wanted = wantedMasks(options);
  if (wanted.kind === 'everything' && (options.embedding ?? options['save-embedding']) !== undefined) {
    throw new UsageError('embeddings do not go with --everything: its crops have their own');
  }
  const frameNumber = wholeNumber('frame', options.frame) ?? 0;
  const { weights } = options;
  const model = oneOf('model', options.model, SEGMENTER_NAMES);
  if (weights !== undefined && model === SEGMENTER_NAMES[0])
    throw new UsageError(`--weights does not go with --model ${model}`);
  const settings =
    weights === undefined
      ? segmenterSettings({ segmenter: model }, undefined, 'weights')
      : { name: basename(weights), weights };
  if (options.float16 && settings.tracker) throw new UsageError('--float16 is for Segment Anything: add --model');
  const engine = engineSettings(options);
  const report = new Report(options.quiet);

  return interruptible(async (signal) => {
    const each = options.each ?? false;
    await checkObjects(folder, input, { each });
    const embedding = options['save-embedding'];
    if (embedding !== undefined) await checkOwnedFile(embedding, [fileInput(input, 'the image')]);
    const frame = await readFrame(input, frameNumber, signal);
    const opened = await openEngine(engine);
    report.note(opened.reason);
    try {
      const predictor = await loadNetwork(settings, options.float16, report, signal);
      try {
        const objects = await segment(predictor, frame, wanted, { ...options, report, signal });
        report.end();
        const empty = objects.filter(({ area }) => area === 0).length;
        if (empty === objects.length) report.note('note: nothing is found there');
        await writeObjects(folder, input, frame, objects, { each });
        for (const [i, { area, predictedIou, stability }] of objects.entries()) {
          process.stdout.write(`${[i + 1, area, predictedIou.toFixed(4), stability.toFixed(4)].join('\t')}\n`);
        }
        return 0;
      } finally {
        predictor.dispose();
        predictor.model.dispose();
      }
    } finally {
      opened.close();
    }
  });
}

async function readFrame(input: string, wanted: number, signal: AbortSignal): Promise<Frame> {
  const source = await openSource(input);
  try {
    for await (const frame of source.frames({ from: wanted, to: wanted + 1, signal })) return frame;
    throw new SourceError('no-frames', input, `there is no frame ${wanted}`);
  } finally {
    await source.close();
  }
}

function loadNetwork(
  settings: SegmenterSettings,
  float16: boolean | undefined,
  report: Report,
  signal: AbortSignal,
): Promise<RefiningPredictor> {
  const { name, larger } = settings;
  if (larger !== undefined) report.note(`note: ${larger} is in the cache and larger; --model ${larger} uses it`);
  return loadPredictor(settings, { float16, signal, onProgress: report.loading(name) });
}

interface Work {
  embedding?: string;
  'save-embedding'?: string;
  candidates?: boolean;
  report: Report;
  signal: AbortSignal;
}

async function segment(
  predictor: RefiningPredictor,
  { width, height, rgba }: Frame,
  wanted: WantedMasks,
  { report, signal, ...options }: Work,
): Promise<SegmentedObject[]> {
  const image = { width, height, data: rgba };
  const onProgress = (fraction: number) => report.progress(`segmenting, ${Math.round(100 * fraction)} %`, fraction);
  if (wanted.kind === 'everything') {
    const records = await segmentEverything(predictor.model, image, {
      ...wanted.options,
      outputMode: 'uncompressed_rle',
      signal,
      onProgress,
    });
    return records.map(({ segmentation, stabilityScore, pointCoords, ...record }) => {
      return { ...record, mask: segmentation, stability: stabilityScore, point: pointCoords[0] };
    });
  }
  if (options.embedding === undefined) await predictor.setImage(image, { signal });
  else restore(predictor, options.embedding, await readBytes(options.embedding), image);
  if (options['save-embedding'] !== undefined) await writeOwnedFile(options['save-embedding'], await predictor.save());
  const objects: SegmentedObject[] = [];
  const keep = (masks: readonly (SamMask & { agreement?: number })[]) => {
    for (const mask of options.candidates ? masks : masks.slice(0, 1)) objects.push(describe(mask));
  };
  if (wanted.kind === 'stroke') {
    keep(await predictor.predictStroke(wanted.stroke, { signal }));
    return objects;
  }
  for (const [i, prompt] of wanted.prompts.entries()) {
    keep(await predictor.predict(prompt, { refine: wanted.passes === 2, signal }));
    onProgress((i + 1) / wanted.prompts.length);
  }
  return objects;
}

function describe({
  mask,
  area,
  box,
  predictedIou,
  stability,
  agreement,
}: SamMask & { agreement?: number }): SegmentedObject {
  const [x0, y0, x1, y1] = box;
  return { mask, area, bbox: [x0, y0, x1 - x0, y1 - y0], predictedIou, stability, agreement };
}

/** @throws UsageError when the embedding is of an image of another size */
function restore(predictor: RefiningPredictor, file: string, bytes: Uint8Array, image: PixelImage): void {
  const originalSize = predictor.restore(bytes, image);
  const { width, height } = image;
  if (originalSize.width !== width || originalSize.height !== height) {
    throw new UsageError(
      `${file} is of an image of ${originalSize.width}x${originalSize.height} pixels, this one has ${width}x${height}`,
    );
  }
}

async function readBytes(file: string): Promise<Uint8Array> {
  return readFile(file).catch((cause) => {
    throw new SourceError('unreadable', file, cause.message, { cause });
  });
}
