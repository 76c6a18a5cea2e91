import { SerialQueue } from '@samtrack/kernels/common';
import type { Detector, Segmenter } from '../assist/index.js';
import {
  emptyLabelMap,
  type Frame,
  type FrameSource,
  type LabelMap,
  MemoryStorage,
  type ProjectStorage,
  SourceError,
} from '../io/index.js';
import type { SessionMemory } from './budget.js';
import { SessionError } from './errors.js';
import type { SessionEvent, SessionObject } from './events.js';
import { fingerprint } from './fingerprint.js';
import { FrameReader } from './frame-reader.js';
import type { HistoryNode } from './history.js';
import { ResultMask } from './masks.js';
import { PassRunner } from './pass-runner.js';
import { Project } from './project.js';
import { restoreMasks } from './restore.js';
import { reduce, type SessionState } from './state.js';
import type { SharedTracker } from './tracker.js';
import { MissingMasksError, viewFrame } from './view.js';

/** What a session is made of; see `SamTrack.open`. */
export interface SessionOptions {
  source: FrameSource;
  shared: SharedTracker;
  /** What masks depend on, for the project file. */
  identity: Readonly<Record<string, string | number | boolean | null>>;
  segmenter?: Segmenter | undefined;
  detector?: Detector | undefined;
  /** Where the session is kept; in memory if left out. */
  storage?: ProjectStorage | undefined;
  /** Most memory for everything the session allocates, in MB (10^6 bytes); see `SessionMemory`. */
  memoryMB?: number | undefined;
  /** Whether closing the session closes the source. */
  ownsSource?: boolean | undefined;
}

/** @throws SourceError `no-frames` */
async function firstFrame(source: FrameSource): Promise<Frame> {
  for await (const frame of source.frames({ to: 1 })) return frame;
  throw new SourceError('no-frames', source.name, 'there is no frame in it');
}

/** The state of a session, and how it changes: what `Session` and propagation stand on. */
export class SessionCore {
  readonly reader: FrameReader;
  readonly runner: PassRunner;
  state: SessionState;
  /** The propagation under way, and how far the project file says that it came. */
  running: { seq: number; recorded: number } | undefined;
  /** What the run that began last needs at its most; known with a budget. */
  expectedBytes: number | undefined;
  readonly #changes = new SerialQueue();
  #closed = false;

  private constructor(
    readonly options: SessionOptions,
    private readonly storage: ProjectStorage,
    readonly project: Project,
  ) {
    this.reader = new FrameReader(options.source);
    this.runner = new PassRunner({
      reader: this.reader,
      shared: options.shared,
      stateAfter: (node, frames) =>
        reduce(project.history.path(node), (seq) => (seq === node.seq ? frames : project.history.done(seq))),
      node: (seq) => project.history.node(seq),
      view: (state, frame) => viewFrame(state, project.masks, frame, options.source),
    });
    this.state = this.#reduce();
  }

  static async open(options: SessionOptions): Promise<SessionCore> {
    const { source, identity } = options;
    const storage = options.storage ?? new MemoryStorage(source.name);
    const first = await firstFrame(source);
    const header = {
      format: 'samtrack-session',
      version: 1,
      source: await fingerprint(source, first),
      tracker: identity,
    } as const;
    return new SessionCore(options, storage, await Project.open(storage, header));
  }

  get source(): FrameSource {
    return this.options.source;
  }

  /** @throws SessionError `closed`, or `out-of-range` for a frame that the source has not */
  check(frame?: number): void {
    if (this.#closed) throw new SessionError('closed', 'the session was closed');
    if (frame === undefined) return;
    const { frameCount = Number.POSITIVE_INFINITY } = this.source;
    if (!(Number.isInteger(frame) && frame >= 0 && frame < frameCount)) {
      throw new SessionError('out-of-range', `${this.source.name} has ${frameCount} frames, and no frame ${frame}`);
    }
  }

  find(idOrName: number | string): SessionObject | undefined {
    const { objects } = this.state;
    if (typeof idOrName === 'number') return objects.get(idOrName);
    return [...objects.values()].find(({ name }) => name === idOrName);
  }

  /** @throws SessionError `unknown-object` */
  object(idOrName: number | string): SessionObject {
    const object = this.find(idOrName);
    if (!object) throw new SessionError('unknown-object', `there is no object ${JSON.stringify(idOrName)}`);
    return object;
  }

  /** @throws SessionError `unknown-object`, `locked-object` */
  unlocked(idOrName: number | string): SessionObject {
    const object = this.object(idOrName);
    if (object.locked) throw new SessionError('locked-object', `object ${object.id} ("${object.name}") is locked`);
    return object;
  }

  /** Stores an event; it counts from then on. Throws `OutputError`, and nothing has changed then. */
  event(event: SessionEvent): Promise<HistoryNode> {
    return this.change((store) => store(event));
  }

  /** Makes an event of the state as it is when all changes before it are done. */
  change<T>(work: (store: (event: SessionEvent) => Promise<HistoryNode>) => Promise<T>): Promise<T> {
    return this.#changes.run(() => work((event) => this.#event(event)));
  }

  async #event(event: SessionEvent): Promise<HistoryNode> {
    await this.#record();
    await this.project.append({ seq: this.project.history.nextSeq, event });
    this.state = this.#reduce();
    return this.project.history.head!;
  }

  /** Stores a step back or forth. */
  step(line: { undo: true } | { redo: true }): Promise<void> {
    return this.#changes.run(async () => {
      await this.#record();
      await this.project.append(line);
      this.state = this.#reduce();
    });
  }

  /** Notes how far the propagation under way has come. */
  record(): Promise<void> {
    return this.#changes.run(() => this.#record());
  }

  async #record(): Promise<void> {
    const { running } = this;
    if (!running) return;
    const frames = this.project.history.done(running.seq);
    if (frames <= running.recorded) return;
    await this.project.masks.sync(running.seq);
    await this.project.append({ stopped: running.seq, frames });
    running.recorded = frames;
  }

  /** Counts a frame of the propagation under way. */
  advance(seq: number): void {
    const { history } = this.project;
    history.setDone(seq, history.done(seq) + 1);
    this.state = this.#reduce();
  }

  /** The masks of a frame as they are now; undefined where there are none. Computes them again if they are not stored. */
  async view(frame: number, signal?: AbortSignal): Promise<LabelMap | undefined> {
    try {
      return await viewFrame(this.state, this.project.masks, frame, this.source);
    } catch (error) {
      if (!(error instanceof MissingMasksError) || this.running) throw error;
      await restoreMasks(this, { signal });
      return viewFrame(this.state, this.project.masks, frame, this.source);
    }
  }

  /** The same, with an empty map where nothing is known. */
  async masks(frame: number): Promise<ResultMask> {
    return new ResultMask((await this.view(frame)) ?? emptyLabelMap(this.source.width, this.source.height));
  }

  objectsWhere(condition: (object: SessionObject) => boolean): number[] {
    return [...this.state.objects.values()].filter(condition).map(({ id }) => id);
  }

  /** Bytes of the frames that are read at once. */
  get readBytes(): number {
    return this.reader.framesHeld * this.source.width * this.source.height * 4;
  }

  get memory(): SessionMemory {
    const { allocatedBytes, rememberedBytes, keptBytes } = this.options.shared.tracker.memory;
    const inMemory = this.storage instanceof MemoryStorage ? this.storage.bytes : 0;
    const maskBytes = this.project.masks.indexBytes + inMemory;
    const frameBytes = this.readBytes + keptBytes;
    const { memoryMB } = this.options;
    return {
      budgetBytes: memoryMB === undefined ? undefined : memoryMB * 1e6,
      expectedBytes: this.expectedBytes,
      usedBytes: allocatedBytes + frameBytes + maskBytes,
      gpuBytes: allocatedBytes,
      rememberedBytes,
      frameBytes,
      maskBytes,
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.runner.release();
    try {
      await this.record();
    } finally {
      await this.project.close();
      if (this.options.ownsSource) await this.source.close();
    }
  }

  #reduce(): SessionState {
    const { history } = this.project;
    return reduce(history.path(), (seq) => history.done(seq));
  }
}
