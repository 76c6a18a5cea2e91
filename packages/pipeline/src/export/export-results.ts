import { FrameError, MaskError } from '../io/errors.js';
import type { Frame, FrameSource } from '../io/frame-source.js';
import type { OutputFolder } from '../io/output-folder.js';
import { OwnedFolder } from '../io/owned-folder.js';
import { decodeLabelPng } from '../io/palette-png.js';
import { fileInput } from '../io/run-inputs.js';
import { frameNumber } from '../io/video-source.js';
import type { ObjectInfo } from './coco-json.js';
import type { ExportContext } from './exporter.js';
import { EXPORT_FORMATS, type ExportFormat, openExporters } from './formats.js';

/** Options of `exportResults`. */
export interface ExportResultsOptions extends Omit<ExportContext, 'folder' | 'source' | 'objects'> {
  /** Where it goes; of what is there, only what samtrack made is replaced. */
  folder: OutputFolder;
  /** Folder of an earlier run: `masks/<frame>.png`, or `<frame>.png` as in DAVIS results; `objects.json` names the objects, if it is there. */
  results: OutputFolder;
  /** What was tracked. */
  source: FrameSource;
  formats: readonly ExportFormat[];
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: { done: number; total: number }) => void) | undefined;
}

/** Names and classes of objects as `samtrack track` leaves them. */
async function readObjects(results: OutputFolder): Promise<Map<number, ObjectInfo>> {
  const bytes = await results.readFile('objects.json');
  const objects: { id: number; label?: string }[] = bytes ? JSON.parse(new TextDecoder().decode(bytes)).objects : [];
  const named = objects.filter(({ label }) => label !== undefined);
  return new Map(named.map(({ id, label }) => [id, { label, name: `${label} ${id}` }]));
}

/** What was exported. */
export interface ExportSummary {
  /** Frames with a mask that are in what was made. */
  frames: number;
  /** Frames of the source that have no mask, and masks that are of no frame: names. Both are left out. */
  framesWithoutMask: string[];
  masksWithoutFrame: string[];
  /** Paths of what was made, relative to the folder. */
  files: string[];
  /** For people to read. */
  warnings: string[];
}

/**
 * The frames of a source, and names of those that cannot be read but need not be.
 * @param waiting names of the frames that have to be read
 * @throws FrameError for these, as a source does
 */
async function* readableFrames(
  source: FrameSource,
  waiting: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Frame | { broken: string }> {
  const nameOf = (index: number) => source.frameNames?.[index] ?? frameNumber(index);
  for (let from = 0; ; ) {
    try {
      for await (const frame of source.frames({ from, signal })) {
        yield frame;
        from = frame.index + 1;
      }
      return;
    } catch (error) {
      // A clip counts its frames otherwise than its source, whose errors come through.
      if (!(error instanceof FrameError) || error.index !== from || waiting.has(nameOf(from))) throw error;
      yield { broken: nameOf(from++) };
      const { frameCount = from } = source;
      if (waiting.size > 0 && from < frameCount) continue;
      while (from < frameCount) yield { broken: nameOf(from++) };
      return;
    }
  }
}

/**
 * Writes the results of an earlier run in other formats. Frames without a mask are left out, and counted, also those that cannot be read.
 *
 * Throws `MaskError` (`not-found` where no frame has a mask, `size-mismatch`, and those of exporters), `OutputError` (as `ResultWriter.open`), `SourceError`,
 * `FrameError`, and the signal's reason; unfinished files are removed then.
 */
export async function exportResults({
  results,
  source,
  formats,
  signal,
  onProgress,
  folder,
  ...context
}: ExportResultsOptions): Promise<ExportSummary> {
  const inFolder = (await results.list('masks')).some((name) => name.endsWith('.png'));
  const names = await results.list(inFolder ? 'masks' : '');
  if (names.length === 0) throw new MaskError('not-found', results.label, 'no such folder, or an empty one');
  const masks = new Set(
    names.filter((name) => name.endsWith('.png') && !name.startsWith('.')).map((name) => name.slice(0, -'.png'.length)),
  );
  const pathOf = (name: string) => `${inFolder ? 'masks/' : ''}${name}.png`;
  const none = () => new MaskError('not-found', results.label, `holds no mask of a frame of ${source.name}`);
  if (masks.size === 0) throw none();
  const inputs = [
    ...(source.inputs ?? []),
    ...[...masks].map((name) => fileInput(`${results.label}/${pathOf(name)}`, 'a mask that is exported')),
  ];
  const makes = formats.map((format) => EXPORT_FORMATS[format].path);
  const owned = await OwnedFolder.claim(folder, { inputs, makes });
  try {
    await owned.refuseForeignIn(makes, source.frameNames);
    await owned.removeUnfinished();
    const exporters = await openExporters(formats, {
      ...context,
      folder: owned,
      source,
      objects: await readObjects(results),
    });
    const withoutMask: string[] = [];
    const waiting = new Set(masks);
    try {
      for await (const frame of readableFrames(source, waiting, signal)) {
        if ('broken' in frame) {
          withoutMask.push(frame.broken);
          continue;
        }
        if (!waiting.delete(frame.name)) {
          withoutMask.push(frame.name);
          continue;
        }
        const path = pathOf(frame.name);
        const labels = decodeLabelPng((await results.readFile(path))!, `${results.label}/${path}`);
        if (labels.width !== frame.width || labels.height !== frame.height) {
          throw new MaskError(
            'size-mismatch',
            `${results.label}/${path}`,
            `the mask has ${labels.width}x${labels.height} pixels, the frame has ${frame.width}x${frame.height}`,
          );
        }
        for (const exporter of exporters) await exporter.add(frame, labels);
        onProgress?.({ done: masks.size - waiting.size, total: masks.size });
      }
      const frames = masks.size - waiting.size;
      if (frames === 0) throw none();
      const files: string[] = [];
      const isPart = withoutMask.length > 0;
      for (const exporter of exporters) if (await exporter.finish(isPart)) files.push(exporter.path);
      return {
        frames,
        framesWithoutMask: withoutMask,
        masksWithoutFrame: [...waiting],
        files,
        warnings: exporters.flatMap(({ warnings }) => warnings),
      };
    } catch (error) {
      for (const exporter of exporters) await exporter.discard();
      throw error;
    }
  } finally {
    await owned.release();
  }
}
