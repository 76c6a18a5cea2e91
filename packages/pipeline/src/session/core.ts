import { SerialQueue } from '@samtrack/kernels/common';
import type { Detector, Segmenter } from '../assist/index.js';
import {
  compressRle,
  emptyLabelMap,
  type Frame,
  type FrameSource,
  type LabelMap,
  labelMapToRles,
  MemoryStorage,
  type ProjectStorage,
  SourceError,
} from '../io/index.js';
import type { SessionMemory } from './budget.js';
import { SessionError } from './errors.js';
import type { AnnotateEvent, EventMask, PropagateEvent, SessionEvent, SessionObject } from './events.js';
import { fingerprint } from './fingerprint.js';
import { FrameReader } from './frame-reader.js';
import type { HistoryNode } from './history.js';
import { hasPixels, ResultMask } from './masks.js';
import { PassRunner } from './pass-runner.js';
import { Project } from './project.js';
import type { ResolvedMask } from './prompts.js';
import { frameAt, reduce, type SessionState } from './state.js';
import type { SharedTracker } from './tracker.js';
import { MissingMasksError, viewFrame } from './view.js';

/** Ids fit into 16 bits. */
const MAX_ID = 65535;

/** What a session is made of; see `SamTrack.open`. */
export interface SessionOptions {
  source: FrameSource;
  shared: SharedTracker;
  /** What masks depend on, for the project file. */
  identity: Readonly<Record<string, string | number | boolean | null>>;
  segmenter?: Segmenter;
  detector?: Detector;
  /** Where the session is kept; in memory if left out. */
  storage?: ProjectStorage;
  /** Most memory for everything the session allocates, in MB (10^6 bytes); see `SessionMemory`. */
  memoryMB?: number;
  /** Whether closing the session closes the source. */
  ownsSource?: boolean;
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
    return this.#changes.run(() => this.#event(event));
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
      await this.restore({ signal });
      return viewFrame(this.state, this.project.masks, frame, this.source);
    }
  }

  /** The same, with an empty map where nothing is known. */
  async masks(frame: number): Promise<ResultMask> {
    return new ResultMask((await this.view(frame)) ?? emptyLabelMap(this.source.width, this.source.height));
  }

  /**
   * Gives objects masks in a frame, in the given order; those without an id are new. Pixels of locked objects stay theirs.
   * @returns their ids
   */
  annotate(
    frame: number,
    masks: readonly ResolvedMask[],
    prompt: AnnotateEvent['prompt'],
    label?: string,
  ): Promise<number[]> {
    return this.#changes.run(() => this.#annotate(frame, masks, prompt, label));
  }

  async #annotate(
    frame: number,
    masks: readonly ResolvedMask[],
    prompt: AnnotateEvent['prompt'],
    label?: string,
  ): Promise<number[]> {
    const painted = await this.masks(frame);
    const locked = new Set(this.objectsWhere(({ locked: isLocked }) => isLocked));
    const created: { id: number; name: string; label?: string }[] = [];
    let { lastId } = this.state;
    const ids = masks.map(({ object, name, label: found }) => {
      const id = object ?? lastId + 1;
      if (this.state.objects.has(id)) {
        this.unlocked(id);
      } else if (!created.some((other) => other.id === id)) {
        lastId = Math.max(lastId, id);
        const kind = label ?? found;
        created.push({ id, name: this.#freeName(name ?? `object ${id}`, created), ...(kind ? { label: kind } : {}) });
      }
      return id;
    });
    if (lastId > MAX_ID) {
      throw new SessionError('too-many-objects', `object ${lastId} would be needed; ids go up to ${MAX_ID}`);
    }
    const { data } = painted;
    const prompted = new Set(ids);
    for (let i = 0; i < data.length; i++) if (prompted.has(data[i]!)) data[i] = 0;
    for (const [i, { pixels }] of masks.entries()) {
      for (let p = 0; p < data.length; p++) if (pixels[p] && !locked.has(data[p]!)) data[p] = ids[i]!;
    }
    // An object that another one of the same prompt covers has nothing to be tracked by.
    const visible = this.encode(painted, [...prompted]);
    const gone = ids.find((id, i) => !visible.some(({ object }) => object === id) && hasPixels(masks[i]!.pixels));
    if (visible.length === 0 || (gone !== undefined && !created.some(({ id }) => id === gone))) {
      throw new SessionError('nothing-found', `the prompt in frame ${frame} leaves its object no pixels`);
    }
    const shown = new Set(visible.map(({ object }) => object));
    const kept = created.filter(({ id }) => shown.has(id));
    await this.#event({
      type: 'annotate',
      frame,
      masks: visible,
      ...(kept.length > 0 ? { created: kept } : {}),
      ...(prompt ? { prompt } : {}),
    });
    return visible.map(({ object }) => object);
  }

  /** Masks of objects for an event. */
  encode(labels: LabelMap, ids: readonly number[]): EventMask[] {
    const rles = labelMapToRles(labels);
    return [...ids]
      .sort((a, b) => a - b)
      .flatMap((object) => {
        const rle = rles.get(object);
        return rle ? [{ object, counts: compressRle(rle).counts }] : [];
      });
  }

  objectsWhere(condition: (object: SessionObject) => boolean): number[] {
    return [...this.state.objects.values()].filter(condition).map(({ id }) => id);
  }

  /** Computes masks again that belong to the session and are not stored. */
  async restore({
    signal,
    onProgress,
  }: {
    signal?: AbortSignal;
    onProgress?: (frame: number) => void;
  } = {}): Promise<void> {
    const { masks, history } = this.project;
    for (const { seq, done } of this.state.passes) {
      const node = history.node(seq);
      const isStored = (position: number) => masks.has(seq, frameAt(node.event as PropagateEvent, position)!.frame);
      let last = done;
      while (last > 0 && isStored(last - 1)) last--;
      let first = 0;
      while (first < last && isStored(first)) first++;
      if (first === last) continue;
      if (this.source.kind === 'live') {
        throw new MissingMasksError(seq, frameAt(node.event as PropagateEvent, first)!.frame);
      }
      for await (const { frame, labels, certaintyOf, gone } of this.runner.run(node, first, signal, last)) {
        await masks.add(seq, frame.index, labels, certaintyOf, gone);
        onProgress?.(frame.index);
      }
    }
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

  /** The name, or the name with the first number that nobody has. */
  #freeName(name: string, created: readonly { name: string }[]): string {
    const taken = new Set([...this.state.objects.values(), ...created].map((object) => object.name));
    if (!taken.has(name)) return name;
    let number = 2;
    while (taken.has(`${name} ${number}`)) number++;
    return `${name} ${number}`;
  }
}
