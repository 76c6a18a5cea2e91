/** What the page and the engine's worker say to each other. Requests are answered by id; reports come in batches: see `channel.ts`. */
import type { Box, Direction, MaskPrompt, Point, PromptContent, PromptTarget } from 'samtrack';
import type { MaskReadingName } from 'samtrack/io';

/** An error as data. */
export interface Failure {
  /** Class of the error: `SessionError`, `SourceError`, `DeviceError` ... */
  readonly name: string;
  readonly code?: string;
  readonly message: string;
}

/** Where frames come from. */
export type SourceRequest =
  /** `name`: what the project is called, by default as the file, without its extension. */
  | { readonly kind: 'files'; readonly files: readonly File[]; readonly name?: string }
  | { readonly kind: 'demo' }
  | { readonly kind: 'camera'; readonly frames: ReadableStream<VideoFrame>; readonly name: string };

/** What was found out about this browser when the worker started. */
export interface Capabilities {
  /** Why there is no WebGPU, if there is none. */
  readonly gpu: { readonly ok: true; readonly name: string } | { readonly ok: false; readonly reason: string };
  /** How frames are drawn. */
  readonly presenter: 'webgl2' | '2d';
  readonly engine: EngineKind;
}

/** The networks on the GPU or, where there is none, on the processor; the toy of the tests; or nothing. */
export type EngineKind = 'webgpu' | 'cpu' | 'toy' | 'none';

/** How far the models are. */
export type EngineStatus =
  | { readonly state: 'idle' | 'ready' }
  | { readonly state: 'loading'; readonly fraction: number }
  | { readonly state: 'failed'; readonly failure: Failure };

export interface ObjectView {
  readonly id: number;
  readonly name: string;
  readonly label?: string;
  readonly colour: Rgb;
  readonly locked: boolean;
}

export type Rgb = readonly [red: number, green: number, blue: number];
export type FrameSpan = readonly [first: number, last: number];
export type { Direction, MaskReadingName, Point };

/** Something that the user showed of an object in a frame. */
export interface AnnotationView {
  readonly frame: number;
  readonly object: number;
  readonly points: readonly Point[];
  /** 1 on the object, 0 beside it. */
  readonly labels: readonly number[];
  readonly box?: Box;
  /** It says that the object is not there. */
  readonly erased: boolean;
}

export interface SourceView {
  readonly name: string;
  readonly kind: 'video' | 'images' | 'live';
  readonly width: number;
  readonly height: number;
  /** Frames so far, for a live source. */
  readonly frameCount: number;
  readonly fps: number;
  /** Presentation time of each frame in seconds. */
  readonly times: Float64Array;
}

/** A project as the page shows it; changes with each event of the session. */
export interface ProjectView {
  readonly id: string;
  readonly readOnly: boolean;
  readonly objects: readonly ObjectView[];
  readonly annotations: readonly AnnotationView[];
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** Frames whose masks an edit has made stale: they are shown until they are tracked anew. */
  readonly stale: Readonly<Record<Direction, readonly FrameSpan[]>>;
  /** Of them and those without masks, how many each direction would track. */
  readonly pending: Readonly<Record<Direction, number>>;
  /** Objects that get new masks; all if left out. */
  readonly affected?: readonly number[];
  readonly worst?: { readonly frame: number; readonly object: number };
  readonly memory: MemoryView;
}

export interface MemoryView {
  readonly usedBytes: number;
  readonly gpuBytes: number;
  readonly rememberedBytes: number;
  readonly frameBytes: number;
  readonly maskBytes: number;
  readonly budgetBytes?: number;
  /** What the run that began last was expected to need at its most. */
  readonly expectedBytes?: number;
}

/** States of a frame in an object's lane. */
export const LANE = { unknown: 0, absent: 1, tracked: 2, anchor: 3 } as const;

/** A lane entry for each frame. */
export interface LaneData {
  readonly object: number;
  readonly states: Uint8Array;
  /** 0..255; what the tracker was not asked about is 255. */
  readonly confidence: Uint8Array;
}

/** The lane entries of one frame. */
export interface LaneColumn {
  readonly frame: number;
  readonly entries: readonly (readonly [object: number, state: number, confidence: number])[];
}

export type RunStatus =
  | { readonly state: 'idle' }
  | {
      readonly state: 'running';
      readonly direction: Direction;
      readonly frame: number;
      readonly done: number;
      readonly total?: number;
      readonly framesPerSecond: number;
      readonly secondsLeft?: number;
    }
  | { readonly state: 'stopping'; readonly direction: Direction }
  /** A click came in between: it was applied, and the rest is to be done. */
  | { readonly state: 'paused'; readonly direction: Direction; readonly frame: number }
  | { readonly state: 'failed'; readonly failure: Failure; readonly frame?: number };

/** How a run ended: at its end, by a stop or a click, or by a problem. */
export type RunOutcome =
  | { readonly ended: 'done' | 'stopped' }
  | { readonly ended: 'failed'; readonly failure: Failure };

export interface Presented {
  readonly frame: number;
  readonly time: number;
  /** Objects with pixels in it. */
  readonly ids: readonly number[];
}

/** A candidate for a new object. */
export interface CandidateView {
  readonly key: number;
  readonly frame: number;
  readonly firstFrame: number;
  readonly seen: number;
  readonly label?: string;
  readonly score?: number;
  readonly share: number;
  readonly box: Box;
  readonly thumb: ImageBitmap;
}

/** What is where on the canvas, in canvas pixels. */
export interface Viewport {
  /** Canvas pixels a video pixel. */
  readonly scale: number;
  readonly left: number;
  readonly top: number;
}

export type ViewMode = 'overlay' | 'outline' | 'mask' | 'cutout' | 'original';

export interface ViewOptions {
  readonly mode: ViewMode;
  /** Of the fill, 0..1. */
  readonly opacity: number;
  readonly hidden: readonly number[];
  readonly selected?: number;
  readonly hovered?: number;
}

/** What a prompt of the page shows; masks are painted or come in files. */
export type PromptShown = Exclude<PromptContent, MaskPrompt>;

export type PromptRequest = Pick<PromptTarget, 'frame' | 'object'> & PromptShown;

/** A mask from a file. */
export interface MaskRequest {
  readonly frame: number;
  readonly file: File;
  /** How to read it; as it looks if left out. */
  readonly as?: MaskReadingName;
  /** In place of what this import gave, as long as nothing came after it; otherwise beside it. */
  readonly instead?: number;
}

/** What a mask from a file gave. */
export interface MaskImported {
  readonly ids: readonly number[];
  /** What the file was taken to mean, for people. */
  readonly meaning: string;
  /** By which another reading can take its place. */
  readonly edit: number;
}

/** A line painted on a mask. */
export interface StrokeRequest {
  readonly frame: number;
  /** A new object if left out. */
  readonly object?: number;
  readonly points: readonly Point[];
  /** In video pixels. */
  readonly radius: number;
  readonly erase: boolean;
}

export interface TrackRequest {
  readonly direction: Direction;
  /** First and last frame, in the direction; whatever has to be tracked if left out. */
  readonly from?: number;
  readonly to?: number;
  readonly objects?: readonly number[];
  /** Looks for new objects on the way. */
  readonly discovery?: DiscoveryRequest;
}

export interface DiscoveryRequest {
  readonly kind: 'everything' | 'text';
  readonly text?: string;
  readonly every: number;
  /** Candidates wait for a decision; otherwise they become objects. */
  readonly review: boolean;
  readonly minArea: number;
}

export interface ExportRequest {
  readonly formats: readonly string[];
  readonly from: number;
  readonly to: number;
  readonly palette: 'voc' | 'davis' | 'samtrack';
  /** Numbers the downloads of the same project apart. */
  readonly name: string;
}

export interface Exported {
  readonly file: File;
  readonly frames: number;
  readonly warnings: readonly string[];
}

/** A project that is kept in this browser. */
export interface StoredProject {
  readonly id: string;
  readonly name: string;
  readonly source: 'demo' | 'copy' | 'elsewhere';
  readonly width: number;
  readonly height: number;
  readonly frameCount: number;
  readonly objects: number;
  /** Milliseconds since 1970. */
  readonly changed: number;
  readonly bytes: number;
  readonly thumb?: Blob;
  /** The last frame shown. */
  readonly frame: number;
  /** A run that did not come to its end. */
  readonly running?: { readonly direction: Direction; readonly frame: number };
}

/** What a dropped DAVIS folder scored. */
export interface ScoreReport {
  readonly sequences: readonly {
    readonly name: string;
    readonly jf: number;
    readonly j: { readonly mean: number; readonly recall: number; readonly decay: number };
    readonly f: { readonly mean: number; readonly recall: number; readonly decay: number };
    readonly objects: readonly { readonly id: number; readonly j: readonly number[]; readonly f: readonly number[] }[];
    readonly frames: readonly string[];
  }[];
  readonly jf: number;
  readonly j: { readonly mean: number; readonly recall: number; readonly decay: number };
  readonly f: { readonly mean: number; readonly recall: number; readonly decay: number };
}

export type ModelRole = 'tracker' | 'segmenter' | 'detector';

export interface ModelChoice {
  readonly role: ModelRole;
  readonly id: string;
  /** In the origin's private file system; left out for what comes with the page. */
  readonly file?: string;
}

/** A checkpoint in the origin's private file system. */
export interface StoredModel {
  readonly file: string;
  readonly bytes: number;
  /** What it can be used as. */
  readonly roles: readonly ModelRole[];
  /** The model that it is of. */
  readonly id: string;
  /** For people: family, encoder and layers. */
  readonly title: string;
  /** Its weights are stored as float16. */
  readonly float16: boolean;
  /** The file that was downloaded or dropped, where this one was made from it. */
  readonly madeFrom?: string;
}

/** What the page asks of the worker for downloads: the only one that may reach other hosts. */
export interface NetApi {
  /**
   * Brings a file to the models' folder, and goes on with a part that is there. It gets its name once its hash was found right.
   * @returns once all of it is there
   */
  download(request: DownloadRequest): Promise<void>;
  /** Stops a download; what has come stays. */
  pause(file: string): void;
  /** Gives a stopped download up. */
  discard(file: string): Promise<void>;
  /** A video or image from another host. */
  fetchFile(url: string): Promise<File>;
  /** Downloads that were stopped: bytes that are there, by file. */
  parts(): Promise<{ file: string; bytes: number }[]>;
}

export interface DownloadRequest {
  readonly url: string;
  readonly file: string;
  readonly bytes?: number;
  /** Lower-case hex. */
  readonly sha256?: string;
}

/** What the worker for downloads tells. */
export interface NetReport {
  readonly file: string;
  readonly got: number;
  readonly total?: number;
  readonly state: 'loading' | 'checking' | 'storing';
  readonly host: string;
}

export interface NetPageApi {
  progress(report: NetReport): void;
}

/** What the page asks of the worker. */
export interface EngineApi {
  start(options: {
    canvas: OffscreenCanvas;
    engine: EngineKind | 'auto';
    presenter: 'auto' | '2d';
    /** How fast the toy engine goes. */
    toy?: ToyPace;
  }): Promise<Capabilities>;
  /** Draws on another canvas from now on: after a report that the one before was lost. */
  draw(canvas: OffscreenCanvas): void;

  projects(): Promise<StoredProject[]>;
  open(source: SourceRequest, options: OpenRequest): Promise<SourceView>;
  /** `imported`: it has just come from a file, and is not kept if that is damaged. */
  reopen(id: string, options: OpenRequest & { files?: readonly File[]; imported?: boolean }): Promise<SourceView>;
  /** Takes a project file in; `reopen` opens it. */
  importProject(file: File): Promise<Pick<StoredProject, 'id' | 'name'>>;
  forget(id: string): Promise<void>;
  close(): Promise<void>;

  resize(width: number, height: number): void;
  view(viewport: Viewport, options: ViewOptions): void;
  seek(frame: number): Promise<void>;
  play(from: number): void;
  pause(): void;
  /** The object at a pixel of the shown frame; 0: none. */
  pick(point: Point): Promise<number>;
  /** Small pictures of frames, in the order asked for. */
  filmstrip(frames: readonly number[], height: number): Promise<ImageBitmap[]>;

  prompt(request: PromptRequest): Promise<readonly number[]>;
  /** Shows what a prompt would give until the next one, or undefined; returns the share of the frame. */
  preview(request: PromptRequest | undefined): Promise<number | undefined>;
  paint(request: StrokeRequest): Promise<readonly number[]>;
  importMask(request: MaskRequest): Promise<MaskImported>;
  removePoint(frame: number, object: number, index: number): Promise<void>;

  update(object: number, set: { name?: string; label?: string; colour?: Rgb; locked?: boolean }): Promise<void>;
  remove(object: number): Promise<void>;
  erase(frame: number, object: number): Promise<void>;
  clear(frame: number, object: number): Promise<void>;
  merge(objects: readonly number[], into: number): Promise<void>;
  split(object: number, frame: number): Promise<readonly number[]>;
  reference(frame: number): Promise<void>;
  undo(): Promise<boolean>;
  redo(): Promise<boolean>;

  track(request: TrackRequest): Promise<RunOutcome>;
  stop(): Promise<void>;
  budget(megabytes: number | undefined): Promise<void>;
  candidate(key: number, decision: 'accept' | 'reject' | { merge: number }): Promise<void>;

  export(request: ExportRequest): Promise<Exported>;
  exportProject(): Promise<File>;
  cancelExport(): void;
  score(files: readonly { readonly path: string; readonly file: File }[]): Promise<ScoreReport>;

  models(choices: readonly ModelChoice[]): Promise<void>;
  storedModels(): Promise<StoredModel[]>;
  /** Takes a checkpoint in, after a look at what it is. */
  addModel(file: File): Promise<StoredModel>;
  /** Stores a downloaded checkpoint as float16, where that was measured to be right. */
  halveModel(file: string): Promise<StoredModel>;
  removeModel(file: string): Promise<void>;
  /** How it is once what was asked for until now is done, but for runs; the page has been told of all of it by then. */
  settled(): Promise<Snapshot>;
  snapshot(): Promise<Snapshot>;
  /** Of a frame's masks, or of one object's; empty where there are none. */
  labelHash(frame: number, object?: number): Promise<string>;
  /** Pixels of each object in a frame. */
  areas(frame: number): Promise<Record<number, number>>;
}

export interface OpenRequest {
  readonly memoryMB?: number;
  readonly keepCopy: boolean;
  readonly takeOver?: boolean;
}

/** For diagnostics, and the tests that read it. */
export interface Snapshot {
  readonly project?: string;
  readonly head: readonly [undo: boolean, redo: boolean];
  readonly run: RunStatus['state'];
  /** Runs that have ended, one way or another. */
  readonly runs: number;
  readonly frame: number;
  readonly time: number;
  readonly device: string;
  readonly memory?: MemoryView;
}

/** How fast the toy engine tracks. */
export interface ToyPace {
  /** Waited before each frame, in milliseconds. */
  readonly delay?: number;
  /** Frames before each of which it waits until somebody posts its number to the channel `samtrack toy`; later it does not wait again. */
  readonly holds?: readonly number[];
}

/** What the worker tells of its own accord. The newest of a kind counts, except for `columns` and `notices`, which add up. */
export interface Report {
  project?: ProjectView | null;
  lanes?: readonly LaneData[];
  columns?: LaneColumn[];
  run?: RunStatus;
  presented?: Presented;
  playing?: boolean;
  engine?: EngineStatus;
  memory?: MemoryView;
  candidates?: readonly CandidateView[];
  exporting?: { readonly done: number; readonly total: number } | null;
  saved?: number;
  /** The canvas shows nothing any more, and never will: the GPU's process is gone. */
  canvasLost?: true;
  source?: SourceView;
  notices?: Notice[];
}

export interface Notice {
  readonly kind: 'info' | 'warning' | 'error';
  readonly message: string;
  /** What the page offers beside it. */
  readonly action?: 'storage' | 'resume' | 'models' | 'takeOver' | 'mask';
}

/** What the worker asks of the page. */
export interface PageApi {
  /** A batch of reports; answered once it is on the screen, and only then comes the next one. */
  report(report: Report): Promise<void>;
}
