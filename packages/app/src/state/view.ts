import { batch, computed, effect, signal } from '@preact/signals';
import type {
  CandidateView,
  Capabilities,
  Direction,
  EngineStatus,
  LaneData,
  MemoryView,
  Notice,
  Presented,
  ProjectView,
  Report,
  RunStatus,
  SourceView,
  StoredProject,
  ViewMode,
} from '../protocol.js';
import { LANE } from '../protocol.js';
import { maskGiven } from './mask.js';

/** What the engine has told. */
export const capabilities = signal<Capabilities | undefined>(undefined);
export const engineStatus = signal<EngineStatus>({ state: 'idle' });
export const source = signal<SourceView | undefined>(undefined);
export const project = signal<ProjectView | undefined>(undefined);
export const run = signal<RunStatus>({ state: 'idle' });
export const presented = signal<Presented>({ frame: 0, time: 0, ids: [] });
export const playing = signal(false);
export const memory = signal<MemoryView | undefined>(undefined);
export const candidates = signal<readonly CandidateView[]>([]);
/** The direction of the run that ended last, by itself. */
export const finished = signal<Direction | undefined>(undefined);
export const exporting = signal<{ done: number; total: number } | undefined>(undefined);
export const saved = signal<number | undefined>(undefined);
/** By object. The arrays are written in place; `lanesVersion` tells when. */
export const lanes = new Map<number, LaneData>();
export const lanesVersion = signal(0);

/** What the user looks at, and with what. None of it is in the project. */
export const TOOLS = ['select', 'point', 'box', 'stroke', 'brush', 'eraser', 'polygon'] as const;
export type Tool = (typeof TOOLS)[number];
export const tool = signal<Tool>('point');
/** What a click says: on the object, or beside it. */
export const polarity = signal<0 | 1>(1);
export const activeObject = signal<number | undefined>(undefined);
export const hoveredObject = signal<number | undefined>(undefined);
export const hidden = signal<ReadonlySet<number>>(new Set());
export const viewMode = signal<ViewMode>('overlay');
/** While a key is held. */
export const showOriginal = signal(false);
export const opacity = signal(0.45);
export const brushRadius = signal(12);
export const inOut = signal<readonly [first: number | undefined, last: number | undefined]>([undefined, undefined]);
export const inspectorTab = signal<'objects' | 'review' | 'track'>('objects');
/** The frame asked for; the one that is shown follows. */
export const playhead = signal(0);
export const busy = signal<string | undefined>(undefined);
/** The address names a project, which is being opened: there is nothing else to be seen meanwhile. */
export const returning = signal(false);
export const recents = signal<readonly StoredProject[] | undefined>(undefined);
export const keyboardCursor = signal<readonly [x: number, y: number] | undefined>(undefined);

export type DialogName =
  | 'models'
  | 'export'
  | 'settings'
  | 'help'
  | 'diagnostics'
  | 'score'
  | 'camera'
  | 'url'
  | 'text'
  | 'mask'
  | 'commands'
  | 'storage';
export const dialog = signal<DialogName | undefined>(undefined);
/** A page over everything else. */
export const takeOver = signal<
  | { kind: 'gpu-lost'; message: string }
  | { kind: 'source-needed'; id: string; name: string }
  /** Browsers give neither storage nor WebGPU to pages that came over plain http. */
  | { kind: 'insecure' }
  | undefined
>(undefined);

export interface Toast extends Notice {
  readonly id: number;
}
export const toasts = signal<readonly Toast[]>([]);
/** For people who hear the page. */
export const announced = signal('');
export const alarmed = signal('');

export const frameCount = computed(() => source.value?.frameCount ?? 0);
export const objects = computed(() => project.value?.objects ?? []);
export const activeView = computed(() => objects.value.find(({ id }) => id === activeObject.value));
export const range = computed((): readonly [number, number] => [
  inOut.value[0] ?? 0,
  inOut.value[1] ?? Math.max(0, frameCount.value - 1),
]);
export const isRunning = computed(() => run.value.state === 'running' || run.value.state === 'stopping');
/** Everything that was to be tracked is, and the masks can be taken home. */
export const complete = computed(() => {
  const { pending } = project.value ?? {};
  if (!pending || run.value.state !== 'idle' || objects.value.length === 0) return false;
  return finished.value ? pending[finished.value] === 0 : pending.forward + pending.backward === 0;
});
export const readOnly = computed(() => project.value?.readOnly ?? false);

let nextToast = 1;

/** Tells something in passing. Errors stay until they are dismissed. */
export function tell(notice: Notice): void {
  if (toasts.value.some(({ message }) => message === notice.message)) return;
  toasts.value = [...toasts.value.slice(-3), { ...notice, id: nextToast++ }];
  if (notice.kind === 'error') alarmed.value = notice.message;
  else announced.value = notice.message;
}

export const dismiss = (id: number) => {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
};

/** Takes in what the engine reports. */
export function receive(report: Report): void {
  batch(() => {
    if (report.project !== undefined) takeProject(report.project ?? undefined);
    // The same source is told with each change; what depends on it need not be computed again.
    if (report.source && !isSame(report.source, source.value)) source.value = report.source;
    if (report.lanes) {
      lanes.clear();
      for (const lane of report.lanes) lanes.set(lane.object, lane);
      lanesVersion.value++;
    }
    if (report.columns) {
      for (const { frame, entries } of report.columns) {
        for (const [object, state, confidence] of entries) {
          const lane = lanes.get(object);
          if (!lane) continue;
          lane.states[frame] = state;
          lane.confidence[frame] = confidence;
        }
      }
      lanesVersion.value++;
    }
    if (report.run) takeRun(report.run);
    if (report.presented) {
      presented.value = report.presented;
      follow(report.presented.frame);
    }
    if (report.playing !== undefined) playing.value = report.playing;
    if (report.engine) engineStatus.value = report.engine;
    if (report.memory) memory.value = report.memory;
    if (report.candidates) candidates.value = report.candidates;
    if (report.exporting !== undefined) exporting.value = report.exporting ?? undefined;
    if (report.saved !== undefined) saved.value = report.saved;
    for (const notice of report.notices ?? []) tell(notice);
  });
}

const isSame = (a: SourceView, b: SourceView | undefined) =>
  b !== undefined && a.name === b.name && a.width === b.width && a.height === b.height && a.frameCount === b.frameCount;

/** The frame that the user has gone to, until it is shown. What the engine showed before it heard of it does not move the playhead. */
let wanted: { readonly frame: number; answered: boolean } | undefined;

export function seeking(frame: number): void {
  wanted = { frame, answered: false };
  playhead.value = frame;
}

/** The engine has shown the frame, or something newer: what it tells next is where it is. */
export function sought(frame: number): void {
  if (wanted?.frame === frame) wanted.answered = true;
}

function follow(frame: number): void {
  if (wanted && !wanted.answered && wanted.frame !== frame) return;
  wanted = undefined;
  playhead.value = frame;
}

let stopAsked = false;

/** The user has asked for the run's end: that is shown at once, while the engine is busy with a frame. `answered`: it has ended. */
export function stopping(answered: boolean): void {
  stopAsked = !answered;
  if (!answered && run.value.state === 'running') run.value = { state: 'stopping', direction: run.value.direction };
}

function takeRun(status: RunStatus): void {
  // On its way since before the engine heard of it.
  if (stopAsked && status.state === 'running') return;
  run.value = status;
}

function takeProject(view: ProjectView | undefined): void {
  if (view?.id !== project.value?.id) {
    wanted = undefined;
    finished.value = undefined;
    maskGiven.value = undefined;
  }
  project.value = view;
  if (!view) {
    source.value = undefined;
    // What was told in passing was told of it.
    toasts.value = toasts.value.filter(({ kind, action }) => action !== 'mask' && (kind === 'error' || action));
    lanes.clear();
    lanesVersion.value++;
    activeObject.value = undefined;
    hidden.value = new Set();
    inOut.value = [undefined, undefined];
    return;
  }
  const known = new Set(view.objects.map(({ id }) => id));
  if (activeObject.value !== undefined && !known.has(activeObject.value)) activeObject.value = undefined;
}

/** Whether anything is known of a frame. */
export function isTracked(frame: number): boolean {
  for (const { states } of lanes.values()) if (states[frame] !== LANE.unknown) return true;
  return false;
}

// The run's progress, for people who hear the page: at quarters.
let quarter = 0;
effect(() => {
  const status = run.value;
  if (status.state === 'running') {
    if (status.done === 0) {
      quarter = 0;
      announced.value = `Tracking ${status.direction}`;
    }
    const now = status.total ? Math.floor((4 * status.done) / status.total) : 0;
    if (now > quarter && now < 4) announced.value = `${now * 25} percent tracked`;
    quarter = Math.max(quarter, now);
  } else if (status.state === 'idle' && quarter > 0) {
    announced.value = quarter >= 4 ? 'Tracking is done' : 'Tracking has stopped';
    quarter = 0;
  } else if (status.state === 'failed') {
    alarmed.value = `Tracking failed: ${status.failure.message}`;
  }
});
