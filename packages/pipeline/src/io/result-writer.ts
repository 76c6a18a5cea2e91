import type { Exporter } from '../export/exporter.js';
import { EXPORT_FORMATS, type ExportFormat, openExporters } from '../export/formats.js';
import type { ObjectInfo } from './coco-json.js';
import { MaskError, OutputError } from './errors.js';
import type { Frame, FrameSource } from './frame-source.js';
import type { LabelMap } from './label-map.js';
import type { OutputFolder } from './output-folder.js';
import type { OverlayOptions } from './overlay.js';
import { decodeLabelPng, encodeLabelPng, type LabelPngOptions } from './palette-png.js';
import type { VideoSource } from './video-source.js';
import type { VideoWriterOptions } from './video-writer.js';

/** What a run wrote. */
export interface ResultSummary {
  /** Frames with a result, those of an earlier, resumed run included. */
  frames: number;
  /** False if the run was stopped before the last frame. */
  complete: boolean;
  /** Paths of the finished files and folders, relative to the output folder. */
  files: string[];
  /** What is missing or different from what was asked, for people to read. */
  warnings: string[];
}

/** Names of the outputs in the folder. */
export const RESULT_FILES = {
  masks: 'masks',
  overlay: 'overlay.mp4',
  coco: 'coco.json',
  run: 'run.json',
} as const;

export interface ResultWriterOptions {
  folder: OutputFolder;
  /** The source that the results are of. */
  source: Pick<FrameSource, 'name' | 'kind' | 'width' | 'height' | 'frameCount'> & Pick<Partial<VideoSource>, 'audio'>;
  /** One label PNG a frame, `masks/<frame name>.png`; always written, since resuming needs them. */
  masks?: LabelPngOptions;
  /** Where the masks go within the folder; default `masks`. Empty: into the folder itself, as DAVIS wants results. */
  masksFolder?: string;
  /** `overlay.mp4` with the source's times and audio. Default on. */
  overlay?: (OverlayOptions & Pick<VideoWriterOptions, 'quality' | 'codecs'> & { audio?: boolean }) | false;
  /** `coco.json`, see `CocoJsonWriter`. Default on. */
  coco?: { objects?: ReadonlyMap<number, ObjectInfo> } | false;
  /** What else to write, see `EXPORT_FORMATS`. */
  formats?: readonly ExportFormat[];
  /** Names and classes by object id, for all formats; it may grow during the run. */
  objects?: ReadonlyMap<number, ObjectInfo>;
  /**
   * What to do about results that the folder already holds: `error` (default) refuses, `replace` deletes them, `resume` goes on with them
   * (an empty folder is fine for all three).
   */
  existing?: 'error' | 'replace' | 'resume';
  /**
   * What the results depend on (model, weights, first mask, options ...), flat. Stored in `run.json`; a run is resumed only with equal values.
   */
  identity?: Readonly<Record<string, string | number | boolean | null>>;
}

interface RunRecord {
  format: 'samtrack-run';
  version: 1;
  source: { name: string; kind: string; width: number; height: number; frameCount: number | null };
  identity: Record<string, string | number | boolean | null>;
  complete: boolean;
}

/**
 * Takes the results of a run, frame by frame in presentation order, and writes them.
 *
 * Masks are durable at once, one file a frame. The overlay video, the JSON and other formats' files appear at `finish` or `abort`.
 * After a run that was killed, a writer opened with `existing: 'resume'` knows the frames that have masks; the caller hands those frames
 * in again with their stored masks (`readDone`), so that video and JSON come out whole.
 */
export class ResultWriter {
  private readonly added = new Set<string>();
  private lastIndex = -1;
  private failed = false;
  private turn: Promise<unknown> = Promise.resolve();
  private summary?: ResultSummary;
  private readonly warnings: string[] = [];

  private constructor(
    private readonly options: ResultWriterOptions,
    private readonly record: RunRecord,
    /** Names of the frames whose masks stood in the folder when a run was resumed. */
    readonly done: ReadonlySet<string>,
    private readonly exporters: readonly Exporter[],
  ) {
    for (const exporter of exporters) this.warnings.push(...exporter.warnings);
  }

  /**
   * Throws `OutputError`: `not-empty` and `resume-mismatch` (see `existing`, `identity`), `unsupported` (no video encoder), and what writing throws.
   */
  static async open(options: ResultWriterOptions): Promise<ResultWriter> {
    const { folder, existing = 'error', overlay = {}, coco = {}, source, masksFolder = RESULT_FILES.masks } = options;
    const record = recordOf(options);
    const masks = (await folder.list(masksFolder)).filter((file) => file.endsWith('.png'));
    const done = new Set<string>();
    if (masks.length > 0) {
      if (existing === 'error') {
        throw new OutputError(
          'not-empty',
          folder.label,
          `holds ${masks.length} masks of an earlier run; resume it, replace it, or choose another folder`,
        );
      }
      if (existing === 'replace') {
        for (const file of masks) await folder.remove(within(masksFolder, file));
      } else {
        await checkResumable(folder, record);
        for (const file of masks) done.add(file.slice(0, -'.png'.length));
      }
    }
    await folder.removeUnfinished('');
    await folder.removeUnfinished(masksFolder);
    // What an earlier run finished no longer goes with the masks about to be written.
    for (const { path } of Object.values(EXPORT_FORMATS)) if (!path.endsWith('/')) await folder.remove(path);
    await folder.writeFile(RESULT_FILES.run, toText(record));

    const { audio, quality, codecs, ...look } = overlay || {};
    const formats: ExportFormat[] = [
      ...(coco ? (['coco'] as const) : []),
      ...(overlay ? (['overlay'] as const) : []),
      ...(options.formats ?? []),
    ];
    const objects = options.objects ?? (coco ? coco.objects : undefined);
    const { palette } = options.masks ?? {};
    const exporters = await openExporters(formats, {
      folder,
      source,
      objects,
      palette: typeof palette === 'string' ? palette : undefined,
      overlay: look,
      video: { quality, codecs },
      audio,
    });
    return new ResultWriter(options, record, done, exporters);
  }

  /**
   * Whether the folder holds the complete results of a run with this source and identity.
   * Throws `OutputError` (`resume-mismatch`) if it holds those of another one.
   */
  static async isComplete(options: Pick<ResultWriterOptions, 'folder' | 'source' | 'identity'>): Promise<boolean> {
    if (!(await options.folder.readFile(RESULT_FILES.run))) return false;
    return (await checkResumable(options.folder, recordOf(options))).complete === true;
  }

  /** The stored label map of a frame in `done`. Throws `MaskError` if the file is damaged or of another size. */
  async readDone(frame: Pick<Frame, 'name' | 'width' | 'height'>): Promise<LabelMap> {
    const path = this.maskPath(frame);
    const bytes = await this.options.folder.readFile(path);
    if (!bytes) throw new MaskError('not-found', path, 'no such mask');
    const map = decodeLabelPng(bytes, path);
    if (map.width !== frame.width || map.height !== frame.height) {
      throw new MaskError(
        'size-mismatch',
        path,
        `the stored mask has ${map.width}x${map.height} pixels, the frame has ${frame.width}x${frame.height}`,
      );
    }
    return map;
  }

  /**
   * Writes one frame's results; the mask of a frame in `done` stays as it is. Frames arrive in ascending order.
   * Throws `OutputError` and `MaskError` (`size-mismatch`; `too-many-objects` if 8-bit masks were asked for). After an `OutputError` only
   * `abort` is of use.
   */
  add(frame: Frame, labels: LabelMap): Promise<void> {
    return this.inTurn(() => this.write(frame, labels));
  }

  private async write(frame: Frame, labels: LabelMap): Promise<void> {
    const path = this.maskPath(frame);
    if (this.summary || this.failed) throw new OutputError('closed', path, 'the writer was closed or has failed');
    if (frame.index <= this.lastIndex) {
      throw new RangeError(
        `frame ${frame.index} comes after frame ${this.lastIndex}; frames are written in ascending order`,
      );
    }
    if (labels.width !== frame.width || labels.height !== frame.height) {
      throw new MaskError(
        'size-mismatch',
        path,
        `the label map has ${labels.width}x${labels.height} pixels, the frame has ${frame.width}x${frame.height}`,
      );
    }
    const { folder, masks } = this.options;
    const png = this.done.has(frame.name) ? undefined : encodeLabelPng(labels, masks, path);
    try {
      if (png) await folder.writeFile(path, png);
      for (const exporter of this.exporters) await exporter.add(frame, labels);
    } catch (error) {
      this.failed = true;
      throw error;
    }
    this.lastIndex = frame.index;
    this.added.add(frame.name);
  }

  /** Completes every file. Throws `OutputError`; then `abort` still closes what can be closed. */
  finish(): Promise<ResultSummary> {
    return this.inTurn(() => this.complete());
  }

  private async complete(): Promise<ResultSummary> {
    if (this.summary) return this.summary;
    const { folder } = this.options;
    const files: string[] = [];
    try {
      for (const exporter of this.exporters) if (await exporter.finish()) files.push(exporter.path);
      await folder.writeFile(RESULT_FILES.run, toText({ ...this.record, complete: true }));
    } catch (error) {
      this.failed = true;
      throw error;
    }
    return (this.summary = this.summarise(true, files));
  }

  /**
   * Completes every file with the frames it has: for Ctrl-C and for errors in the middle of a run. A frame being written is written to its
   * end first. Never throws; a file that cannot be completed (full disk) is removed and named in `warnings`. The masks stay in any case.
   */
  abort(): Promise<ResultSummary> {
    return this.inTurn(() => this.stop());
  }

  private async stop(): Promise<ResultSummary> {
    if (this.summary) return this.summary;
    const files: string[] = [];
    for (const exporter of this.exporters) {
      try {
        if (this.added.size === 0) await exporter.discard();
        else if (await exporter.finish(true)) files.push(exporter.path);
      } catch (error) {
        await exporter.discard();
        this.warnings.push(`${exporter.path} could not be completed: ${(error as Error).message}`);
      }
    }
    return (this.summary = this.summarise(false, files));
  }

  private maskPath({ name }: Pick<Frame, 'name'>): string {
    return within(this.options.masksFolder ?? RESULT_FILES.masks, `${name}.png`);
  }

  /** One operation after the other: a signal handler may call `abort` while `add` is under way. */
  private inTurn<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.turn.then(operation);
    this.turn = result.catch(() => {});
    return result;
  }

  private summarise(complete: boolean, files: string[]): ResultSummary {
    const names = new Set([...this.done, ...this.added]);
    if (names.size > 0) files.unshift(this.options.masksFolder ?? RESULT_FILES.masks);
    return { frames: names.size, complete, files: [...files, RESULT_FILES.run], warnings: [...this.warnings] };
  }
}

const within = (folder: string, file: string) => (folder === '' ? file : `${folder}/${file}`);

const recordOf = ({ source, identity = {} }: Pick<ResultWriterOptions, 'source' | 'identity'>): RunRecord => {
  const { name, kind, width, height, frameCount = null } = source;
  return {
    format: 'samtrack-run',
    version: 1,
    source: { name, kind, width, height, frameCount },
    identity: { ...identity },
    complete: false,
  };
};

const toText = (record: RunRecord) => `${JSON.stringify(record, null, 2)}\n`;

/** Refuses to go on with results that came from something else. */
async function checkResumable(folder: OutputFolder, record: RunRecord): Promise<Partial<RunRecord>> {
  const bytes = await folder.readFile(RESULT_FILES.run);
  const path = `${folder.label}/${RESULT_FILES.run}`;
  let before: Partial<RunRecord>;
  try {
    before = JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array()));
  } catch (cause) {
    throw new OutputError('resume-mismatch', path, 'missing or damaged, so it is not known what the masks are of', {
      cause,
    });
  }
  for (const part of ['source', 'identity'] as const) {
    const [old, now] = [before[part] ?? {}, record[part]] as Record<string, unknown>[];
    for (const key of new Set([...Object.keys(old!), ...Object.keys(now!)])) {
      if (old![key] !== now![key]) {
        throw new OutputError(
          'resume-mismatch',
          path,
          `${part} ${key} was ${JSON.stringify(old![key])} and is now ${JSON.stringify(now![key])}`,
        );
      }
    }
  }
  return before;
}
