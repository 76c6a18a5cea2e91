import { SerialQueue } from '@samtrack/kernels/common';
import {
  type FrameSource,
  liveSource,
  MemoryStorage,
  OutputError,
  openProjectStorage,
  openSource,
  type ProjectStorage,
  readMask,
  Session,
  SessionError,
  SharedTracker,
  SourceError,
  type VideoSource,
} from 'samtrack';
import { encodeRle } from 'samtrack/io';
import { failureOf, latestOnly } from '../channel.js';
import type {
  AnnotationView,
  CandidateView,
  EngineApi,
  LaneData,
  MaskImported,
  MaskRequest,
  MemoryView,
  ProjectView,
  PromptRequest,
  Report,
  RunOutcome,
  SourceView,
  StrokeRequest,
  TrackRequest,
} from '../protocol.js';
import { pictures } from './camera.js';
import { colourOf } from './colours.js';
import type { Engine } from './engine.js';
import { lanesOf, pendingOf } from './lanes.js';
import { insideOf, paintLine } from './paint.js';
import type { Presenter } from './present/index.js';
import { Runner } from './run.js';
import { type ProjectRecord, writeRecord } from './storage.js';
import { smallPicture } from './thumbnails.js';
import { Viewer } from './viewer.js';

/** A camera has no end; lanes are made for as many frames at first. */
const LIVE_FRAMES = 3600;

/** Numbers changes, of all that is opened. */
let nextChange = 1;

export interface WorkspaceOptions {
  readonly id: string;
  readonly name: string;
  readonly engine: Engine;
  readonly presenter: Presenter;
  readonly memoryMB?: number | undefined;
  /** Opened as it is stored, whether another tab writes to it or not. */
  readonly look?: boolean;
  readonly report: (report: Report) => void;
  /** Where the project's source is, for the list of projects. */
  readonly kept: ProjectRecord['source'];
  readonly identity?: Readonly<Record<string, string | number | null>>;
}

/** What a session is opened over. */
export type Input =
  | { readonly files: readonly File[] }
  | { readonly camera: ReadableStream<VideoFrame>; readonly name: string };

async function openInput(input: Input): Promise<FrameSource> {
  if ('camera' in input) return liveSource(pictures(input.camera), { name: input.name, latest: true, keep: 64 });
  const { files } = input;
  return openSource(files.length === 1 ? files[0]! : files);
}

/** The files of a project in memory, to look at while another tab writes to it. */
async function snapshotOf(id: string): Promise<ProjectStorage> {
  const root = await navigator.storage.getDirectory();
  const memory = new MemoryStorage(id);
  const bytes = async (handle: FileSystemFileHandle) => new Uint8Array(await (await handle.getFile()).arrayBuffer());
  memory.files.set('', await bytes(await root.getFileHandle(id)));
  const masks = await root.getDirectoryHandle(`${id}.masks`).catch(() => undefined);
  if (masks) {
    for await (const handle of masks.values()) {
      if (handle.kind === 'file' && !handle.name.endsWith('.crswap')) {
        memory.files.set(handle.name, await bytes(handle as FileSystemFileHandle));
      }
    }
  }
  return memory;
}

/** An open project: its session, what is shown of it, and what runs. */
export class Workspace {
  readonly viewer: Viewer;
  readonly runner: Runner;
  #lanes: LaneData[] = [];
  #stale: ProjectView['stale'] = { forward: [], backward: [] };
  #record: ProjectRecord;
  readonly #edits = new SerialQueue();
  /** The newest change, a run or undoing as well. */
  #change = 0;
  readonly #saves = new SerialQueue();
  /** Their pictures take a while: what is told last is what waits now. */
  readonly #tellCandidates = latestOnly(() => this.#candidates());
  readonly #thumbs = new Map<number, { frame: number; thumb: ImageBitmap }>();

  private constructor(
    private readonly options: WorkspaceOptions,
    /** What it was opened over, for opening it once more. */
    readonly input: Input,
    readonly session: Session,
    readonly readOnly: boolean,
    thumb: string | undefined,
  ) {
    const { report, engine, presenter, id, name, kept } = options;
    this.viewer = new Viewer(presenter, session, report);
    this.viewer.staleIn = (frame) => this.#staleIn(frame);
    this.runner = new Runner(session, this.viewer, engine, report, () => void this.#tellCandidates());
    const { width, height, frameCount } = this.source;
    this.#record = {
      id,
      name,
      source: kept,
      width,
      height,
      frameCount,
      objects: 0,
      changed: Date.now(),
      frame: 0,
      thumb,
    };
  }

  /**
   * Opens a project, or begins one. While another tab writes to it, it is opened as it is stored, to look at.
   * @throws SourceError, FrameError, SessionError, OutputError
   */
  static async open(input: Input, options: WorkspaceOptions): Promise<Workspace> {
    const source = await openInput(input);
    const { engine, id, memoryMB, name, presenter } = options;
    const { width, height } = source;
    if (Math.max(width, height) > presenter.largestSide) {
      await source.close();
      const most = `${presenter.largestSide} pixels a side`;
      throw new SourceError('unsupported', name, `${width}x${height} pixels; this browser shows at most ${most}`);
    }
    const open = async (storage: ProjectStorage) =>
      Session.open({
        source,
        shared: new SharedTracker(engine),
        identity: options.identity ?? (await engine.identity()),
        segmenter: engine.segmenter,
        detector: engine.detector,
        storage,
        memoryMB,
        ownsSource: true,
      });
    let session: Session;
    let readOnly = options.look === true;
    const look = async () => open(await snapshotOf(id));
    try {
      session = await (readOnly
        ? look()
        : open(openProjectStorage(id)).catch((error) => {
            if (!(error instanceof OutputError && error.code === 'busy')) throw error;
            readOnly = true;
            return look();
          }));
    } catch (error) {
      await source.close();
      throw error;
    }
    const thumb = await session.frame(0).then(smallPicture, () => undefined);
    return new Workspace(options, input, session, readOnly, thumb);
  }

  get id(): string {
    return this.options.id;
  }

  get name(): string {
    return this.options.name;
  }

  get source(): SourceView {
    const { kind, width, height, frameCount = LIVE_FRAMES, fps = 24 } = this.session.source;
    const { timestamps } = this.session.source as VideoSource;
    const times = timestamps ? timestamps.slice() : Float64Array.from({ length: frameCount }, (_, i) => i / fps);
    return { name: this.options.name, kind, width, height, frameCount, fps, times };
  }

  get kept(): ProjectRecord['source'] {
    return this.#record.source;
  }

  get memory(): MemoryView {
    return this.session.memory;
  }

  /** Does something to the session, after what was asked before, and tells the page what has become of it. A run pauses for it. `frame`: the one that it is about, to be shown. */
  edit<T>(work: (session: Session) => Promise<T>, frame?: number): Promise<T> {
    return this.#edits.run(async () => {
      this.#writable();
      await this.runner.pause(frame);
      const result = await work(this.session);
      this.#change = nextChange++;
      this.viewer.preview(undefined);
      this.publish();
      await (frame === undefined ? this.viewer.refresh() : this.viewer.seek(frame));
      await this.#save();
      return result;
    });
  }

  /** Changes an object's name, class, colour or lock. A run goes on where its masks are none of it. */
  update(object: number, set: Parameters<EngineApi['update']>[1]): Promise<void> {
    if (set.locked !== undefined || !this.runner.isRunning) {
      return this.edit((session) => session.update(object, set));
    }
    return this.#edits.run(async () => {
      this.#writable();
      await this.session.update(object, set);
      this.#change = nextChange++;
      this.viewer.preview(undefined);
      this.publish();
    });
  }

  /** @throws OutputError `busy` while another tab writes to the project */
  #writable(): void {
    if (!this.readOnly) return;
    const message = 'another tab is working on it; take it over to change something';
    throw new OutputError('busy', this.options.name, message);
  }

  /** Waits until everything that was asked for until now is done, but for runs. */
  settled(): Promise<void> {
    return this.#edits.idle();
  }

  /** Tells the page everything that follows from the events. */
  publish(): void {
    this.#lanes = lanesOf(this.session, this.source.frameCount);
    const { stale, pending, affected } = pendingOf(this.session, this.#lanes);
    this.#stale = stale;
    const { objects, canUndo, canRedo, memory } = this.session;
    const worst = this.session.suggest();
    const project: ProjectView = {
      id: this.id,
      readOnly: this.readOnly,
      objects: objects.map(({ id, name, label, colour, locked }) => ({
        id,
        name,
        label,
        locked,
        colour: colour ?? colourOf(id),
      })),
      annotations: this.#annotations(),
      canUndo,
      canRedo,
      stale,
      pending,
      affected,
      worst: worst && { frame: worst.frame, object: worst.object },
      memory,
    };
    this.options.report({ project, source: this.source, lanes: this.#lanes, memory });
  }

  async track(request: TrackRequest): Promise<RunOutcome> {
    this.#writable();
    await this.#edits.idle();
    this.#change = nextChange++;
    await this.#save({ direction: request.direction, frame: this.viewer.frame });
    const outcome = await this.runner.start(request);
    this.publish();
    if (outcome.ended !== 'failed') await this.#save();
    this.runner.ended++;
    return outcome;
  }

  async prompt(request: PromptRequest): Promise<readonly number[]> {
    return this.edit(async (session) => ids(await session.prompt(await this.#completed(request))), request.frame);
  }

  /** Shows what a prompt would give. @returns its share of the frame */
  async preview(request: PromptRequest | undefined): Promise<number | undefined> {
    if (!request) {
      this.viewer.preview(undefined);
      return undefined;
    }
    const masks = await this.session.preview(await this.#completed(request));
    const [first, ...more] = masks;
    if (!first) return undefined;
    for (const mask of more) for (let i = 0; i < first.length; i++) if (mask[i]) first[i] = 1;
    const object = this.#find(request.object);
    const next = Math.max(0, ...this.session.objects.map(({ id }) => id)) + 1;
    this.viewer.preview(first, object?.colour ?? colourOf(object?.id ?? next));
    return first.reduce((sum, pixel) => sum + pixel, 0) / first.length;
  }

  /** Adds to an object's mask, or takes from it; what is left without pixels is not in the frame. */
  paint({ frame, object, points, radius, erase }: StrokeRequest): Promise<readonly number[]> {
    return this.edit(async (session) => {
      const { width, height } = session.source;
      const labels = object === undefined ? undefined : await session.mask(frame);
      const pixels = new Uint8Array(width * height);
      for (let i = 0; labels && i < pixels.length; i++) if (labels.data[i] === object) pixels[i] = 1;
      paintLine(pixels, { width, height }, points, radius, erase ? 0 : 1);
      if (!pixels.includes(1)) {
        if (object !== undefined && erase) await session.erase(frame, object);
        return object === undefined ? [] : [object];
      }
      return ids(await session.prompt({ frame, object, mask: encodeRle(pixels, width, height) }));
    }, frame);
  }

  /** Gives objects the masks of a file. Another reading of the same file takes the place of the one before. */
  async importMask({ frame, file, as, instead }: MaskRequest): Promise<MaskImported> {
    let meaning = '';
    const made = await this.edit(async (session) => {
      const { width, height } = session.source;
      const mask = await readMask(file, { width, height, as, onMeaning: (text) => (meaning = text) });
      const takesPlace = instead === this.#change && (await session.undo());
      try {
        return ids(await session.prompt({ frame, mask }));
      } catch (error) {
        if (takesPlace) await session.redo();
        throw error;
      }
    }, frame);
    return { ids: made, meaning, edit: this.#change };
  }

  /** Takes one of the points back that an object's mask was made of. */
  removePoint(frame: number, object: number, index: number): Promise<void> {
    return this.edit(async (session) => {
      const annotation = this.#annotations().find((at) => at.frame === frame && at.object === object);
      if (!annotation?.points[index]) throw new SessionError('bad-option', `there is no point ${index}`);
      const points = annotation.points.filter((_, i) => i !== index);
      const labels = annotation.labels.filter((_, i) => i !== index);
      const { box } = annotation;
      if (points.length > 0 && (box || labels.includes(1))) {
        await session.prompt({ frame, object, points, labels, ...(box && { box }) });
      } else if (box) await session.prompt({ frame, object, box });
      else await session.clear(frame, object);
    });
  }

  /** Makes a candidate an object, or a part of one, or dismisses it. */
  async candidate(key: number, decision: 'accept' | 'reject' | { merge: number }): Promise<void> {
    const { queue } = this.runner;
    const found = queue?.waiting.find((entry) => entry.key === key);
    if (!queue || !found) throw new SessionError('bad-option', `there is no candidate ${key}`);
    if (decision === 'reject') queue.dismiss(key);
    else {
      await this.edit(async (session) => {
        const { frame, mask, label } = found;
        const made = await session.prompt({ frame, mask, label, object: label });
        if (typeof decision === 'object') await session.merge(ids(made), decision.merge);
        queue.take(key);
      });
    }
    await this.#tellCandidates();
  }

  /** The source was copied: from now on the project opens without asking for it. */
  sourceKept(): void {
    this.#record = { ...this.#record, source: 'copy' };
    void this.#save();
  }

  async close(): Promise<void> {
    await this.runner.stop();
    this.viewer.pause();
    await this.#edits.idle();
    if (!this.readOnly) await this.#save().catch(() => {});
    await this.session.close();
  }

  /** A click on an object that was tracked to a frame corrects its mask there: the mask goes along as a point inside it. */
  async #completed(request: PromptRequest): Promise<PromptRequest> {
    const { frame, points, labels, box } = request;
    const object = this.#find(request.object);
    if (!object || !points || box) return request;
    if (this.#annotations().some((at) => at.frame === frame && at.object === object.id && at.points.length > 0)) {
      return request;
    }
    const mask = await this.session.mask(frame);
    if (!mask) return request;
    const pixels = Uint8Array.from(mask.data, (id) => (id === object.id ? 1 : 0));
    const inside = insideOf(pixels, mask.width);
    if (!inside) return request;
    return { ...request, points: [inside, ...points], labels: [1, ...(labels ?? points.map(() => 1))] };
  }

  #find(object: number | string | undefined) {
    return this.session.objects.find(({ id, name }) => id === object || name === object);
  }

  #annotations(): AnnotationView[] {
    return this.session.annotations.map(({ frame, object, prompt }) => ({
      frame,
      object,
      points: prompt.points ?? [],
      labels: prompt.labels ?? prompt.points?.map(() => 1) ?? [],
      box: prompt.box,
      erased: prompt.erased === true,
    }));
  }

  #staleIn(frame: number): Set<number> {
    const inside = [...this.#stale.forward, ...this.#stale.backward].some(([a, b]) => frame >= a && frame <= b);
    return new Set(inside ? this.session.objects.filter(({ locked }) => !locked).map(({ id }) => id) : []);
  }

  async #candidates(): Promise<void> {
    const { waiting = [] } = this.runner.queue ?? {};
    const views: CandidateView[] = [];
    for (const { key, frame, firstFrame, seen, label, score, area, bbox, mask } of waiting) {
      let thumb = this.#thumbs.get(key);
      if (thumb?.frame !== frame) {
        const picture = await this.session.frame(frame).catch(() => undefined);
        if (!picture) continue;
        thumb = { frame, thumb: await cutOut(picture, bbox) };
        this.#thumbs.set(key, thumb);
      }
      const [x, y, w, h] = bbox;
      const share = area / (mask.size[0] * mask.size[1]);
      const copy = await createImageBitmap(thumb.thumb);
      views.push({ key, frame, firstFrame, seen, label, score, share, box: [x, y, x + w, y + h], thumb: copy });
    }
    this.options.report({ candidates: views });
  }

  /** Brings the list of projects up to date. What cannot be written there is told, and lost is nothing: the session has its own file. */
  async #save(running?: ProjectRecord['running']): Promise<void> {
    const { frameCount } = this.source;
    this.#record = {
      ...this.#record,
      frameCount,
      objects: this.session.objects.length,
      changed: Date.now(),
      frame: this.viewer.frame,
      running,
    };
    const record = this.#record;
    try {
      // One after the other: of two that are written at the same time the older one may end last.
      await this.#saves.run(() => writeRecord(record));
      this.options.report({ saved: record.changed });
    } catch (error) {
      this.options.report({ notices: [{ kind: 'error', message: failureOf(error).message, action: 'storage' }] });
    }
  }
}

const ids = ({ objects }: { objects: readonly { id: number }[] }) => objects.map(({ id }) => id);

/** A part of a frame with some of its surroundings. */
async function cutOut(
  { width, height, rgba }: { width: number; height: number; rgba: Uint8Array },
  [x, y, w, h]: readonly [number, number, number, number],
): Promise<ImageBitmap> {
  const margin = Math.round(Math.max(w, h) * 0.2);
  const [left, top] = [Math.max(0, x - margin), Math.max(0, y - margin)];
  const [right, bottom] = [Math.min(width, x + w + margin), Math.min(height, y + h + margin)];
  const image = new ImageData(new Uint8ClampedArray(rgba), width, height);
  return createImageBitmap(image, left, top, right - left, bottom - top);
}
