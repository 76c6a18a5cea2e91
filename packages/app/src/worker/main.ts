/** The engine's worker: models, session, decoding and drawing. The page sends requests and gets reports. */
import { SessionError, SourceError } from 'samtrack';
import { failureOf, openChannel } from '../channel.js';
import type {
  Capabilities,
  EngineApi,
  ExportRequest,
  OpenRequest,
  PageApi,
  Report,
  Snapshot,
  SourceRequest,
  SourceView,
} from '../protocol.js';
import { allowBlobWorkers } from '../trusted-types.js';
import { chooseEngine, Engine } from './engine.js';
import { clearExports, exportSession, safeName, zipFiles } from './exports.js';
import { addModel, halveModel, removeModel, storedModels } from './models.js';
import { Outbox } from './outbox.js';
import { openPresenter, type Presenter } from './present/index.js';
import { readProject, writeProject } from './project-file.js';
import { scoreFolder } from './scoring.js';
import { keepSource, keptSource, listProjects, type ProjectRecord, readRecord, removeProject } from './storage.js';
import { filmstrip } from './thumbnails.js';
import { type Input, Workspace } from './workspace.js';

/** Tabs ask each other here to let go of a project. */
const tabs = new BroadcastChannel('samtrack');
/** How long another tab has to answer, in milliseconds; one that is gone holds nothing. */
const RELEASE_MS = 4000;
/** How long it has from then on until it has let go. */
const RELEASING_MS = 60_000;

/** An image folder or video this large is not copied. */
const COPY_LIMIT = 2e9;

const DEMO = { clip: 'demo/clip.mp4', name: 'Demo clip' };

class Main implements EngineApi {
  #engine!: Engine;
  #presenter!: Presenter;
  #wantedPresenter: 'auto' | '2d' = 'auto';
  #device = '';
  #open: Workspace | undefined;
  #exporting: AbortController | undefined;
  #size = { width: 300, height: 150 };
  readonly #report = (report: Report) => outbox.add(report);

  async start({ canvas, engine, presenter, toy }: Parameters<EngineApi['start']>[0]): Promise<Capabilities> {
    const { kind, device, reason } = await chooseEngine(engine);
    this.#device = device;
    this.#engine = new Engine(kind, {
      toy,
      reason,
      onStatus: (status) => this.#report({ engine: status }),
      onRecovered: () =>
        this.#report({ notices: [{ kind: 'info', message: 'The GPU was lost, and is back. Nothing else was.' }] }),
    });
    this.#wantedPresenter = presenter;
    this.draw(canvas);
    tabs.addEventListener('message', ({ data }) => void this.#released(data));
    void clearExports().catch(() => {});
    const gpu = reason === undefined ? { ok: true as const, name: device } : { ok: false as const, reason };
    return { gpu, presenter: this.#presenter.kind, engine: kind };
  }

  draw(canvas: OffscreenCanvas): void {
    this.#presenter = openPresenter(canvas, this.#wantedPresenter, () => this.#report({ canvasLost: true }));
    this.#presenter.resize(this.#size.width, this.#size.height);
    this.#open?.viewer.use(this.#presenter);
  }

  projects = listProjects;

  async open(source: SourceRequest, options: OpenRequest): Promise<SourceView> {
    const id = `p${Date.now().toString(36)}${Math.floor(Math.random() * 1296).toString(36)}.samtrack`;
    if (source.kind === 'demo') return this.#enter({ files: [await demoClip()] }, id, DEMO.name, 'demo', options);
    if (source.kind === 'camera') {
      return this.#enter({ camera: source.frames, name: source.name }, id, source.name, 'elsewhere', options);
    }
    const { files } = source;
    const [first] = files;
    if (!first) throw new SourceError('no-frames', 'nothing', 'there is no file');
    const name = source.name ?? (files.length === 1 ? first.name.replace(/\.[^.]*$/, '') : 'Images');
    const view = await this.#enter({ files }, id, name, 'elsewhere', options);
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    if (options.keepCopy && bytes < COPY_LIMIT) void this.#copy(id, files);
    return view;
  }

  async reopen(id: string, options: Parameters<EngineApi['reopen']>[1]): Promise<SourceView> {
    const record = await readRecord(id);
    if (!record) throw new SessionError('bad-option', `there is no project ${id}`);
    if (options.takeOver) await this.#askRelease(id);
    const kept = record.source === 'demo' ? [await demoClip()] : await keptSource(id);
    const files = options.files ?? kept;
    if (files.length === 0) {
      throw new SourceError('not-found', record.name, 'its file was not copied into this browser: choose it again');
    }
    const view = await this.#enter({ files }, id, record.name, record.source, options).catch(async (error) => {
      // Another video is told from it, and the right one may come; a file that is damaged is of no use here.
      if (options.imported && error instanceof SessionError && error.code === 'corrupt')
        await removeProject(id).catch(() => {});
      // Nobody knows it by what it is called here.
      if (error instanceof Error) error.message = error.message.replaceAll(new RegExp(`${id}/?`, 'g'), 'the project');
      throw error;
    });
    if (options.files && options.keepCopy && kept.length === 0) void this.#copy(id, options.files);
    await this.#open?.viewer.seek(Math.min(record.frame, view.frameCount - 1));
    if (record.running && this.#open && !this.#open.readOnly) {
      const message = `The last run stopped at frame ${record.running.frame}. What it had done is here.`;
      this.#report({ notices: [{ kind: 'info', message, action: 'resume' }] });
    }
    return view;
  }

  importProject: EngineApi['importProject'] = readProject;

  async forget(id: string): Promise<void> {
    if (this.#open?.id === id) await this.close();
    await removeProject(id);
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    this.#exporting?.abort();
    await open?.close();
    this.#report({ project: null, run: { state: 'idle' }, candidates: [] });
  }

  resize(width: number, height: number): void {
    this.#size = { width, height };
    if (this.#open) this.#open.viewer.resize(width, height);
    else this.#presenter.resize(width, height);
  }

  view(...look: Parameters<EngineApi['view']>): void {
    this.#open?.viewer.look(...look);
  }

  async seek(frame: number): Promise<void> {
    const open = this.#open;
    open?.viewer.pause();
    await open?.viewer.seek(frame).catch(this.#unlessLeft(open));
  }

  play(from: number): void {
    this.#open?.viewer.play(from).catch((error) => this.#tell(error));
  }

  pause(): void {
    this.#open?.viewer.pause();
  }

  async pick(point: readonly [number, number]): Promise<number> {
    return this.#open?.viewer.pick(point) ?? 0;
  }

  async filmstrip(frames: readonly number[], height: number): Promise<ImageBitmap[]> {
    const open = this.#open;
    if (!open || open.session.source.kind === 'live') return [];
    return (await filmstrip(open.session.source, frames, height).catch(this.#unlessLeft(open))) ?? [];
  }

  prompt: EngineApi['prompt'] = (request) => this.#project.prompt(request);
  preview: EngineApi['preview'] = (request) => this.#project.preview(request);
  paint: EngineApi['paint'] = (request) => this.#project.paint(request);
  importMask: EngineApi['importMask'] = (request) => this.#project.importMask(request);
  removePoint: EngineApi['removePoint'] = (...given) => this.#project.removePoint(...given);

  update: EngineApi['update'] = (...given) => this.#project.update(...given);
  remove: EngineApi['remove'] = (object) => this.#project.edit((session) => session.remove(object));
  erase: EngineApi['erase'] = (frame, object) => this.#project.edit((session) => session.erase(frame, object));
  clear: EngineApi['clear'] = (frame, object) => this.#project.edit((session) => session.clear(frame, object));
  merge: EngineApi['merge'] = (objects, into) => this.#project.edit((session) => session.merge(objects, into));
  reference: EngineApi['reference'] = (frame) => this.#project.edit((session) => session.reference(frame));
  undo: EngineApi['undo'] = () => this.#project.edit((session) => session.undo());
  redo: EngineApi['redo'] = () => this.#project.edit((session) => session.redo());
  split: EngineApi['split'] = (object, frame) =>
    this.#project.edit(async (session) => (await session.split(object, frame)).objects.map(({ id }) => id));

  track: EngineApi['track'] = (request) => this.#project.track(request);
  candidate: EngineApi['candidate'] = (...given) => this.#project.candidate(...given);

  async stop(): Promise<void> {
    await this.#open?.runner.stop();
    this.#open?.runner.clear();
  }

  /** A session keeps the budget that it was opened with, so it is opened again. */
  async budget(megabytes: number | undefined): Promise<void> {
    await this.#again({ memoryMB: megabytes });
  }

  /** Opens what is open once more: with another budget, or to look at, while another tab writes to it. */
  async #again(how: { memoryMB?: number | undefined; look?: boolean }): Promise<void> {
    const { id, name, kept, input, viewer } = this.#project;
    if ('camera' in input) throw new SessionError('bad-option', 'a camera cannot be opened a second time: begin anew');
    const { frame } = viewer;
    await this.#open?.close();
    this.#open = undefined;
    await this.#enter(input, id, name, kept, how);
    await this.seek(frame);
  }

  async export(request: ExportRequest) {
    this.#exporting?.abort();
    const controller = new AbortController();
    this.#exporting = controller;
    try {
      const { session } = this.#project;
      return await exportSession(session, request, controller.signal, (done, total) =>
        this.#report({ exporting: { done, total } }),
      );
    } finally {
      if (this.#exporting === controller) this.#exporting = undefined;
      this.#report({ exporting: null });
    }
  }

  async exportProject(): Promise<File> {
    const { id, name } = this.#project;
    const files = await writeProject(id, `${safeName(name)}.samtrack`);
    return zipFiles(files, `${safeName(name)}.samtrack.zip`);
  }

  cancelExport(): void {
    this.#exporting?.abort();
  }

  score: EngineApi['score'] = (files) => scoreFolder(files, this.#open);

  models: EngineApi['models'] = (choices) => this.#engine.use(choices);
  storedModels = storedModels;
  addModel = addModel;
  halveModel = halveModel;
  removeModel = removeModel;

  async settled(): Promise<Snapshot> {
    await this.#open?.settled();
    const snapshot = await this.snapshot();
    // Who asked for what is done now is answered first.
    await new Promise((resolve) => setTimeout(resolve));
    await outbox.taken();
    return snapshot;
  }

  async snapshot(): Promise<Snapshot> {
    const open = this.#open;
    return {
      project: open?.id,
      head: [open?.session.canUndo ?? false, open?.session.canRedo ?? false],
      run: open?.runner.status.state ?? 'idle',
      runs: open?.runner.ended ?? 0,
      frame: open?.viewer.frame ?? 0,
      time: open?.viewer.time ?? 0,
      device: this.#device,
      memory: open?.memory,
    };
  }

  async labelHash(frame: number, object?: number): Promise<string> {
    const mask = await this.#project.session.mask(frame);
    if (!mask) return '';
    const labels = object === undefined ? mask.data : mask.data.map((id) => (id === object ? 1 : 0));
    const digest = await crypto.subtle.digest('SHA-256', labels as Uint16Array<ArrayBuffer>);
    return [...new Uint8Array(digest.slice(0, 8))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  }

  async areas(frame: number): Promise<Record<number, number>> {
    const areas: Record<number, number> = {};
    for (const id of (await this.#project.session.mask(frame))?.data ?? []) if (id) areas[id] = (areas[id] ?? 0) + 1;
    return areas;
  }

  /** @throws SessionError `closed` where no project is open */
  get #project(): Workspace {
    if (!this.#open) throw new SessionError('closed', 'no project is open');
    return this.#open;
  }

  async #enter(
    input: Input,
    id: string,
    name: string,
    kept: ProjectRecord['source'],
    { memoryMB, look = false }: { memoryMB?: number | undefined; look?: boolean },
  ): Promise<SourceView> {
    const workspace = await Workspace.open(input, {
      id,
      name,
      kept,
      memoryMB,
      look,
      engine: this.#engine,
      presenter: this.#presenter,
      report: this.#report,
    });
    // What was open before stays so until this one is.
    const before = this.#open;
    this.#open = workspace;
    await before?.close();
    workspace.viewer.resize(this.#size.width, this.#size.height);
    workspace.publish();
    await workspace.viewer.seek(0);
    // By the time that something is shown to it, the tracker is there.
    if (this.#engine.kind !== 'none') this.#engine.load().catch(() => {});
    return workspace.source;
  }

  async #copy(id: string, files: readonly File[]): Promise<void> {
    try {
      await keepSource(id, files);
      this.#open?.id === id && this.#open.sourceKept();
    } catch (error) {
      const { message } = failureOf(error);
      this.#tell(new Error(`The video was not copied (${message}). After a reload it has to be chosen again.`));
    }
  }

  async #released({ release, by }: { release?: string; by?: string }): Promise<void> {
    if (!release || this.#open?.id !== release || this.#open.readOnly) return;
    // The other tab takes the lock as soon as it is free; this one opens what is stored, to look at.
    const { session } = this.#open;
    tabs.postMessage({ releasing: release, to: by });
    await this.#open.runner.stop();
    await session.close();
    tabs.postMessage({ released: release, to: by });
    await this.#again({ look: true }).catch((error) => this.#tell(error));
  }

  async #askRelease(id: string): Promise<void> {
    if (this.#open?.id === id) await this.close();
    const by = crypto.randomUUID();
    await new Promise<void>((resolve) => {
      const listener = ({ data }: MessageEvent) => {
        if (data.to !== by) return;
        if (data.released === id) done();
        if (data.releasing !== id) return;
        // It is there, and at work on a frame: that may take a while.
        clearTimeout(timer);
        timer = setTimeout(done, RELEASING_MS);
      };
      const done = () => {
        tabs.removeEventListener('message', listener);
        clearTimeout(timer);
        resolve();
      };
      let timer = setTimeout(done, RELEASE_MS);
      tabs.addEventListener('message', listener);
      tabs.postMessage({ release: id, by });
    });
  }

  /** What goes wrong because a project was closed meanwhile is of no interest. */
  #unlessLeft(open: Workspace) {
    return (error: unknown): undefined => {
      if (this.#open === open) throw error;
    };
  }

  #tell(error: unknown): void {
    this.#report({ notices: [{ kind: 'error', message: failureOf(error).message }] });
  }
}

async function demoClip(): Promise<File> {
  const response = await fetch(new URL(DEMO.clip, self.location.href));
  if (!response.ok) throw new SourceError('unreadable', DEMO.clip, `the server answers ${response.status}`);
  return new File([await response.blob()], 'clip.mp4', { type: 'video/mp4' });
}

allowBlobWorkers();
const page = openChannel<PageApi, EngineApi>(self as unknown as Worker, new Main());
const outbox = new Outbox((report) => page.report(report));
