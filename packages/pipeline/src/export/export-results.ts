import type { ObjectInfo } from '../io/coco-json.js';
import { MaskError } from '../io/errors.js';
import type { FrameSource } from '../io/frame-source.js';
import type { OutputFolder } from '../io/output-folder.js';
import { decodeLabelPng } from '../io/palette-png.js';
import type { ExportContext } from './exporter.js';
import { type ExportFormat, openExporters } from './formats.js';

export interface ExportResultsOptions extends Omit<ExportContext, 'source' | 'objects'> {
  /** Folder of an earlier run: `masks/<frame>.png`, or `<frame>.png` as in DAVIS results; `objects.json` names the objects, if it is there. */
  results: OutputFolder;
  /** What was tracked. */
  source: FrameSource;
  formats: readonly ExportFormat[];
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number }) => void;
}

/** Names and classes of objects as `samtrack track` leaves them. */
async function readObjects(results: OutputFolder): Promise<Map<number, ObjectInfo>> {
  const bytes = await results.readFile('objects.json');
  const objects: { id: number; label?: string }[] = bytes ? JSON.parse(new TextDecoder().decode(bytes)).objects : [];
  const named = objects.filter(({ label }) => label !== undefined);
  return new Map(named.map(({ id, label }) => [id, { label, name: `${label} ${id}` }]));
}

/**
 * Writes the results of an earlier run in other formats. Frames without a mask are left out.
 *
 * Throws `MaskError` (`not-found` where no frame has a mask, `size-mismatch`, and those of exporters), `OutputError`, `SourceError`, `FrameError`,
 * and the signal's reason; unfinished files are removed then.
 * @returns paths of what was made, relative to the folder, and warnings for people to read
 */
export async function exportResults({
  results,
  source,
  formats,
  signal,
  onProgress,
  ...context
}: ExportResultsOptions): Promise<{ frames: number; files: string[]; warnings: string[] }> {
  const inFolder = (await results.list('masks')).some((name) => name.endsWith('.png'));
  const names = await results.list(inFolder ? 'masks' : '');
  const masks = new Set(names.filter((name) => name.endsWith('.png')).map((name) => name.slice(0, -'.png'.length)));
  const none = () => new MaskError('not-found', results.label, `holds no mask of a frame of ${source.name}`);
  if (masks.size === 0) throw none();
  const exporters = await openExporters(formats, { ...context, source, objects: await readObjects(results) });
  let done = 0;
  try {
    for await (const frame of source.frames({ signal })) {
      if (!masks.has(frame.name)) continue;
      const path = `${inFolder ? 'masks/' : ''}${frame.name}.png`;
      const labels = decodeLabelPng((await results.readFile(path))!, `${results.label}/${path}`);
      if (labels.width !== frame.width || labels.height !== frame.height) {
        throw new MaskError(
          'size-mismatch',
          `${results.label}/${path}`,
          `the mask has ${labels.width}x${labels.height} pixels, the frame has ${frame.width}x${frame.height}`,
        );
      }
      for (const exporter of exporters) await exporter.add(frame, labels);
      onProgress?.({ done: ++done, total: masks.size });
    }
    if (done === 0) throw none();
    const files: string[] = [];
    for (const exporter of exporters) if (await exporter.finish()) files.push(exporter.path);
    return { frames: done, files, warnings: exporters.flatMap(({ warnings }) => warnings) };
  } catch (error) {
    for (const exporter of exporters) await exporter.discard();
    throw error;
  }
}
