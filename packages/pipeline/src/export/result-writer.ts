import { bytesDigest } from '../io/content-digest.js';
import { MaskError, OutputError } from '../io/errors.js';
import type { Frame, FrameSource } from '../io/frame-source.js';
import type { LabelMap } from '../io/label-map.js';
import type { OutputFolder } from '../io/output-folder.js';
import type { OverlayOptions } from '../io/overlay.js';
import { OwnedFolder } from '../io/owned-folder.js';
import { decodeLabelPng, encodeLabelPng, type LabelPngOptions } from '../io/palette-png.js';
import type { AppendFile } from '../io/project-storage.js';
import type { RunInput } from '../io/run-inputs.js';
import type { VideoSource } from '../io/video-source.js';
import type { VideoWriterOptions } from '../io/video-writer.js';
import type { ObjectInfo } from './coco-json.js';
import type { Exporter } from './exporter.js';
import { EXPORT_FORMATS, type ExportFormat, openExporters } from './formats.js';

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
  /** Only while a run is not complete, and of trackers that remember more than masks tell. */
  memory: 'memory.safetensors',
} as const;

/** Options of `ResultWriter`. */
export interface ResultWriterOptions {
  folder: OutputFolder;
  /** The source that the results are of. */
  source: RecordedSource & Pick<FrameSource, 'inputs' | 'frameNames'> & Pick<Partial<VideoSource>, 'audio'>;
  /** What the run reads besides the source: mask, weights, annotations, project. Where results would touch it, the run is refused. */
  inputs?: readonly RunInput[] | undefined;
  /** One label PNG a frame, `masks/<frame name>.png`; always written, since resuming needs them. */
  masks?: LabelPngOptions | undefined;
  /** Where the masks go within the folder; default `masks`. Empty: into the folder itself, as DAVIS wants results. */
  masksFolder?: string | undefined;
  /** `overlay.mp4` with the source's times and audio. Default on. */
  overlay?: (OverlayOptions & Pick<VideoWriterOptions, 'quality' | 'codecs'> & { audio?: boolean }) | false | undefined;
  /** `coco.json`, see `CocoJsonWriter`. Default on. */
  coco?: { objects?: ReadonlyMap<number, ObjectInfo> } | false | undefined;
  /** What else to write, see `EXPORT_FORMATS`. */
  formats?: readonly ExportFormat[] | undefined;
  /** Names and classes by object id, for all formats; it may grow during the run. */
  objects?: ReadonlyMap<number, ObjectInfo> | undefined;
  /**
   * What to do about results that the folder already holds: `error` (default) refuses, `replace` deletes them, `resume` goes on with them,
   * `renew` deletes those of the same run and refuses others (an empty folder is fine for all). Only what samtrack made is ever deleted.
   */
  existing?: 'error' | 'replace' | 'resume' | 'renew' | undefined;
  /** Called before `replace` or `renew` deletes, with the paths of the files. */
  onReplace?: ((files: readonly string[]) => void) | undefined;
  /**
   * What the results depend on (model, weights, first mask, options ...), flat. Stored in `run.json`; a run is resumed only with equal values.
   */
  identity?: RunIdentity | undefined;
  /** What computes them, for the record. Not part of what is compared: a run may go on with another engine, which rounds in its own way. */
  engine?: string | undefined;
}

/** A file by its content: the name is for people, the digest (see `contentDigest`) is compared. */
export interface NamedDigest {
  name: string;
  digest: string;
}

/** By what a run is known again when it is resumed: names and values, in any order. */
export type RunIdentity = Readonly<Record<string, string | number | boolean | null | NamedDigest>>;

type RecordedSource = Pick<FrameSource, 'name' | 'kind' | 'width' | 'height' | 'frameCount' | 'fps' | 'digest'>;

/** What `run.json` says of a run, beside the files that were made. */
interface RunRecord {
  source: {
    content: string | NamedDigest;
    kind: string;
    width: number;
    height: number;
    frameCount: number | null;
    fps: number | null;
  };
  identity: RunIdentity;
  /** What computed it; several where it was resumed on another engine. */
  engines?: readonly string[];
  complete: boolean;
  /** Frames with a result. */
  frames: number;
  /** Frames tracked so far, in all runs that were needed, and seconds that took. */
  tracked?: { frames: number; seconds: number };
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
  private readonly companions: (() => Promise<string[]>)[] = [];

  private constructor(
    private readonly options: ResultWriterOptions,
    /** The folder, in which only what samtrack made is replaced. */
    readonly folder: OwnedFolder,
    private readonly record: RunRecord,
    /** Names of the frames whose masks stood in the folder when a run was resumed. */
    readonly done: Set<string>,
    private readonly exporters: readonly Exporter[],
  ) {
    for (const exporter of exporters) this.warnings.push(...exporter.warnings);
  }

  /**
   * Throws `OutputError`: `input` where the results would touch what the run reads, `foreign` where they would replace what samtrack did not make, `busy` while
   * another run writes there, `not-empty` and `resume-mismatch` (see `existing`, `identity`), `unsupported` (no video encoder), and what writing
   * throws. All but the last two before anything is written.
   */
  static async open(options: ResultWriterOptions): Promise<ResultWriter> {
    const { overlay = {}, coco = {}, source } = options;
    const { formats, claim } = plannedOf(options);
    const record = await recordOf(options);
    const folder = await OwnedFolder.claim(options.folder, claim);
    try {
      const done = await prepare(folder, record, options, claim.makes);
      const { engines = [] } = done.size > 0 ? (folder.before as StoredRun) : {};
      record.engines = [...new Set([...engines, ...(options.engine === undefined ? [] : [options.engine])])];
      await folder.describe({ ...record });
      const { audio, quality, codecs, ...look } = overlay || {};
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
      return new ResultWriter(options, folder, record, done, exporters);
    } catch (error) {
      await folder.release();
      throw error;
    }
  }

  /**
   * Whether results may go into the folder, as `open` decides it, but before there is anything to write: what is there is left as it is. Whether a
   * run can be gone on with is seen only with its `identity`.
   * Throws `OutputError`: `input`, `foreign`, `busy`, `not-empty`, and with an identity `resume-mismatch`.
   */
  static async check(options: Omit<ResultWriterOptions, 'engine' | 'onReplace'>): Promise<void> {
    const { claim } = plannedOf(options);
    const record = options.identity && (await recordOf(options));
    await OwnedFolder.check(options.folder, claim, (folder) => refuse(folder, record, options, claim.makes));
  }

  /**
   * Whether the folder holds the complete results of a run with this source and identity, and none of its masks is missing.
   * Throws `OutputError` (`resume-mismatch`) if it holds those of another one.
   */
  static async isComplete(
    options: Pick<ResultWriterOptions, 'folder' | 'source' | 'identity' | 'masks' | 'masksFolder'>,
  ): Promise<boolean> {
    const { folder, masksFolder = RESULT_FILES.masks } = options;
    const bytes = await folder.readFile(RESULT_FILES.run);
    if (!bytes) return false;
    const before = parseRecord(bytes);
    checkResumable(folder, before, await recordOf(options));
    const files = Object.keys(before?.files ?? {}).filter((path) => isMaskIn(masksFolder, path));
    const there = new Set((await folder.list(masksFolder)).map((name) => within(masksFolder, name)));
    return before?.complete === true && files.length > 0 && files.every((path) => there.has(path));
  }

  /** The stored label map of a frame in `done`. Throws `MaskError` if the file is damaged or of another size. */
  async readDone(frame: Pick<Frame, 'name' | 'width' | 'height'>): Promise<LabelMap> {
    const path = this.maskPath(frame);
    const bytes = await this.folder.readFile(path);
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
    const png = this.done.has(frame.name) ? undefined : encodeLabelPng(labels, this.options.masks, path);
    try {
      if (png) await this.folder.writeFile(path, png);
      for (const exporter of this.exporters) await exporter.add(frame, labels);
    } catch (error) {
      this.failed = true;
      throw error;
    }
    this.lastIndex = frame.index;
    this.added.add(frame.name);
  }

  /** Gives up the stored mask of a frame in `done`: it is tracked again. */
  giveUp({ name }: Pick<Frame, 'name'>): void {
    this.done.delete(name);
  }

  /** By what is known again what a run is of and what it depends on. */
  async runDigest(): Promise<string> {
    const { source, identity } = this.record;
    return bytesDigest(new TextEncoder().encode(JSON.stringify({ source, identity })));
  }

  /**
   * Stores what a tracker remembers, in place of what was stored before, once the masks of all frames so far are on disk.
   * Throws `OutputError`, where what was stored before is still there.
   */
  writeMemory(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    return this.inTurn(async () => {
      if (this.summary || this.failed) return;
      const file = await this.folder.createFile(RESULT_FILES.memory);
      try {
        let position = 0;
        for await (const piece of pieces) {
          await file.write(piece, position);
          position += piece.length;
        }
      } catch (error) {
        await file.discard();
        throw error;
      }
      await file.commit();
    });
  }

  /** What an earlier run's tracker remembered; undefined if it was not stored. The caller closes it. */
  async openMemory(): Promise<AppendFile | undefined> {
    const path = RESULT_FILES.memory;
    if (this.done.size === 0 || !this.folder.lists(path)) return undefined;
    return typeof (await this.folder.digest(path)) === 'string' ? this.folder.openAppend(path) : undefined;
  }

  /** Has something told with the other warnings. */
  warn(text: string): void {
    this.warnings.push(text);
  }

  /** Notes for the record how many frames were tracked, and how long that took. */
  timed(frames: number, seconds: number): void {
    const before = this.done.size > 0 ? (this.folder.before as StoredRun | undefined)?.tracked : undefined;
    this.record.tracked = {
      frames: frames + (before?.frames ?? 0),
      seconds: Math.round((seconds + (before?.seconds ?? 0)) * 1000) / 1000,
    };
  }

  /** Has more files written at the end of the run, before others may write to the folder again. @param write returns their paths */
  atEnd(write: () => Promise<string[]>): void {
    this.companions.push(write);
  }

  /** Completes every file. Throws `OutputError`; then `abort` still closes what can be closed. */
  finish(): Promise<ResultSummary> {
    return this.inTurn(() => this.complete());
  }

  private async complete(): Promise<ResultSummary> {
    if (this.summary) return this.summary;
    const files: string[] = [];
    try {
      for (const exporter of this.exporters) if (await exporter.finish()) files.push(exporter.path);
      for (const write of this.companions) files.push(...(await write()));
      if (await this.folder.owns(RESULT_FILES.memory)) await this.folder.remove(RESULT_FILES.memory);
      await this.folder.describe({ ...this.record, complete: true, frames: this.names.size });
      await this.folder.release();
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
    try {
      for (const write of this.companions) files.push(...(await write()));
      await this.folder.describe({ ...this.record, frames: this.names.size });
    } catch (error) {
      this.warnings.push((error as Error).message);
    } finally {
      await this.folder.release().catch((error) => this.warnings.push((error as Error).message));
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

  /** Names of the frames with a result. */
  private get names(): Set<string> {
    return new Set([...this.done, ...this.added]);
  }

  private summarise(complete: boolean, files: string[]): ResultSummary {
    const frames = this.names.size;
    if (frames > 0) files.unshift(this.options.masksFolder ?? RESULT_FILES.masks);
    return { frames, complete, files: [...files, RESULT_FILES.run], warnings: [...this.warnings] };
  }
}

const within = (folder: string, file: string) => (folder === '' ? file : `${folder}/${file}`);

/** Whether a path is that of a mask directly in the folder. */
const isMaskIn = (folder: string, path: string): boolean =>
  path.endsWith('.png') && within(folder, path.slice(path.lastIndexOf('/') + 1)) === path;

async function recordOf({
  source,
  identity = {},
  masks: { bits = 'auto', palette = 'voc' } = {},
}: Pick<ResultWriterOptions, 'source' | 'identity' | 'masks'>): Promise<RunRecord> {
  const { name, kind, width, height, frameCount = null } = source;
  const digest = await source.digest?.();
  return {
    source: {
      content: digest === undefined ? name : { name, digest },
      kind,
      width,
      height,
      frameCount,
      // Those of videos are part of their content.
      fps: kind === 'images' ? (source.fps ?? null) : null,
    },
    identity: { ...identity, bits, palette: typeof palette === 'string' ? palette : 'own' },
    complete: false,
    frames: 0,
  };
}

type StoredRun = Partial<RunRecord> & { files?: Record<string, string> };

function parseRecord(bytes: Uint8Array): StoredRun | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as StoredRun;
  } catch {
    return undefined;
  }
}

/** The formats of a run, and what its folder is claimed for. */
function plannedOf({
  overlay = {},
  coco = {},
  source,
  masksFolder = RESULT_FILES.masks,
  ...options
}: Pick<ResultWriterOptions, 'overlay' | 'coco' | 'source' | 'masksFolder' | 'formats' | 'inputs'>) {
  const formats: ExportFormat[] = [
    ...(coco ? (['coco'] as const) : []),
    ...(overlay ? (['overlay'] as const) : []),
    ...(options.formats ?? []),
  ];
  const makes = [
    ...formats.map((format) => EXPORT_FORMATS[format].path),
    masksFolder === '' ? './' : `${masksFolder}/`,
  ];
  return { formats, claim: { inputs: [...(source.inputs ?? []), ...(options.inputs ?? [])], makes } };
}

/**
 * Refuses a folder in which something is in the way of a run.
 * @param record of the run; without it, whether an earlier one is the same is not asked
 * @param makes what the run will make
 * @returns files of an earlier run, and which of them are masks
 */
async function refuse(
  folder: OwnedFolder,
  record: RunRecord | undefined,
  { existing = 'error', masksFolder = RESULT_FILES.masks, source }: ResultWriterOptions,
  makes: readonly string[],
): Promise<{ owned: string[]; masks: string[] }> {
  const owned = await folder.owned();
  const masks = owned.filter((path) => isMaskIn(masksFolder, path));
  const isMade = (path: string) => makes.some((made) => path === made || (made.endsWith('/') && path.startsWith(made)));
  await folder.refuseForeignIn(makes, source.frameNames);
  const before = folder.before as StoredRun | undefined;
  if (existing === 'resume') {
    if (record && masks.length > 0) checkResumable(folder, before, record);
  } else {
    const inTheWay = existing === 'replace' ? [] : owned.filter((path) => isMaskIn(masksFolder, path) || isMade(path));
    if (inTheWay.length > 0 && !(existing === 'renew' && (!record || isSame(before, record)))) {
      const what = masks.length > 0 ? `${masks.length} masks` : inTheWay[0];
      if (existing === 'renew' && before?.source !== undefined) {
        const why = difference(before, record!);
        throw new OutputError(
          'resume-mismatch',
          folder.label,
          `holds ${what} of another run (${why}); replace them (--overwrite), or choose another folder`,
        );
      }
      throw new OutputError(
        'not-empty',
        folder.label,
        `holds ${what} of an earlier run; go on with it (--resume), replace it (--overwrite), or choose another folder`,
      );
    }
  }
  return { owned, masks };
}

/**
 * Does with an earlier run's results what was asked for.
 * @param makes what the run will make
 * @returns names of the frames whose masks stay
 */
async function prepare(
  folder: OwnedFolder,
  record: RunRecord,
  options: ResultWriterOptions,
  makes: readonly string[],
): Promise<Set<string>> {
  const { existing = 'error', onReplace } = options;
  const { owned, masks } = await refuse(folder, record, options, makes);
  await folder.removeUnfinished();
  // Killed from here on, the folder must not pass for a complete run.
  if (folder.before) await folder.describe({ ...folder.before, complete: false });
  const stays = new Set(existing === 'resume' ? masks : []);
  // What an earlier run finished no longer goes with the masks about to be written.
  const goes = owned.filter((path) =>
    existing === 'resume' ? FINISHED.has(path) : existing !== 'error' || path === RESULT_FILES.memory,
  );
  if (existing !== 'resume' && goes.length > 0) onReplace?.(goes);
  for (const path of goes) await folder.remove(path);
  return new Set([...stays].map((path) => path.slice(path.lastIndexOf('/') + 1, -'.png'.length)));
}

/** Files that hold all frames of a run. */
const FINISHED: ReadonlySet<string> = new Set(Object.values(EXPORT_FORMATS).map(({ path }) => path));

const nameOf = (value: unknown) =>
  value === null ? 'not given' : JSON.stringify(typeof value === 'object' ? (value as NamedDigest).name : value);
const digestOf = (value: unknown) =>
  typeof value === 'object' && value !== null ? (value as NamedDigest).digest : value;

/** The first thing in which two runs differ, in words. */
function difference(before: StoredRun, now: RunRecord): string | undefined {
  for (const part of ['source', 'identity'] as const) {
    const [old, current] = [before[part] ?? {}, now[part]] as [Record<string, unknown>, Record<string, unknown>];
    for (const key of new Set([...Object.keys(old), ...Object.keys(current)])) {
      const [a, b] = [old[key] ?? null, current[key] ?? null];
      if (digestOf(a) === digestOf(b)) continue;
      const what = part === 'source' && key === 'content' ? 'source' : part === 'source' ? `source ${key}` : key;
      if (nameOf(a) === nameOf(b)) return `${what} ${nameOf(a)} has other content than it had`;
      return `${what} was ${nameOf(a)} and is now ${nameOf(b)}`;
    }
  }
  return undefined;
}

const isSame = (before: StoredRun | undefined, record: RunRecord) =>
  !!before && difference(before, record) === undefined;

/** Refuses to go on with results that came from something else. */
function checkResumable(folder: Pick<OutputFolder, 'label'>, before: StoredRun | undefined, record: RunRecord): void {
  const differs =
    before?.source === undefined
      ? 'missing or damaged, so it is not known what the masks are of'
      : difference(before, record);
  if (differs !== undefined) throw new OutputError('resume-mismatch', `${folder.label}/${RESULT_FILES.run}`, differs);
}
