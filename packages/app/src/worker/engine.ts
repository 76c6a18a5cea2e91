import {
  type DetectOptions,
  type Detector,
  type EverythingOptions,
  type Frame,
  type FrameTracker,
  GroundingDinoDetector,
  type LabelMap,
  type RestartOptions,
  type RgbaImage,
  SamSegmenter,
  SamTrack,
  type Segmenter,
  type SegmentPrompt,
  SessionError,
  SmallSegmenter,
  TrackerSegmenter,
} from 'samtrack';
import { blobDigest } from 'samtrack/io';
import { failureOf } from '../channel.js';
import type { EngineKind, EngineStatus, ModelChoice, ModelRole, ToyPace } from '../protocol.js';
import { modelFile } from './storage.js';
import { paced, ToyDetector, ToySegmenter, ToyTracker } from './toy.js';

/** What the tracker that comes with the page is called in project files, as the command line calls it. */
const EMBEDDED = { model: 'deaot-t', weights: 'deaot-t.safetensors', longEdge: 641 } as const;

/** By what it is known again; the build says it. */
declare const EMBEDDED_DIGEST: string;

const bundled = (file: string) => new URL(`models/${file}`, self.location.href).href;

/** The segmenter that comes with the page; it looks through the encoder of the tracker that comes with it. */
const builtInSegmenter = (): Segmenter =>
  new SmallSegmenter({ segmenter: bundled('samtrack-small.safetensors'), tracker: bundled(EMBEDDED.weights) });

/** Which engine there is, and why there is no better one. */
export async function chooseEngine(
  wanted: EngineKind | 'auto',
): Promise<{ kind: EngineKind; device: string; reason?: string }> {
  if (wanted === 'toy') return { kind: 'toy', device: 'toy engine' };
  if (wanted === 'none') return { kind: 'none', device: 'none', reason: 'switched off' };
  const cpu = (reason: string) => ({ kind: 'cpu' as const, device: 'processor', reason });
  if (wanted === 'cpu') return cpu('chosen');
  if (!navigator.gpu) return cpu('missing');
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (!adapter) return cpu('no-adapter');
  const { description, device, vendor, architecture } = adapter.info;
  const name = description || device || [vendor, architecture].filter(Boolean).join(' ');
  return { kind: 'webgpu', device: name || 'WebGPU' };
}

/** Says that a prompt has no model that could answer it. */
const missing = (code: 'no-segmenter' | 'no-detector') =>
  new SessionError(
    code,
    code === 'no-segmenter'
      ? 'Clicks, boxes and strokes need a segmenter.'
      : 'Text needs a detector, and a segmenter for what it finds.',
  );

/** A segmenter that may be exchanged while sessions are open. */
class SegmenterSlot implements Segmenter {
  current: Segmenter | undefined;
  constructor(private readonly prepare: () => Promise<unknown>) {}

  get name(): string {
    return this.current?.name ?? 'no segmenter';
  }

  async setImage(image: RgbaImage, options?: { signal?: AbortSignal }): Promise<void> {
    await (await this.#ready()).setImage(image, options);
  }

  async predict(prompt: SegmentPrompt, options?: { refine?: boolean; signal?: AbortSignal }) {
    return (await this.#ready()).predict(prompt, options);
  }

  /** Where the one that is here remembers what objects were in other frames. */
  get predictKnown(): Segmenter['predictKnown'] {
    if (!this.current?.predictKnown) return undefined;
    return async (...given) => (await this.#ready()).predictKnown!(...given);
  }

  async everything(image: RgbaImage, options?: EverythingOptions) {
    return (await this.#ready()).everything(image, options);
  }

  dispose(): void {
    this.current?.dispose();
    this.current = undefined;
  }

  async #ready(): Promise<Segmenter> {
    if (!this.current) throw missing('no-segmenter');
    await this.prepare();
    return this.current;
  }
}

/** A detector that may be exchanged while sessions are open. */
class DetectorSlot implements Detector {
  current: Detector | undefined;
  constructor(private readonly prepare: () => Promise<unknown>) {}

  get name(): string {
    return this.current?.name ?? 'no detector';
  }

  async detect(image: RgbaImage, options: DetectOptions) {
    if (!this.current) throw missing('no-detector');
    await this.prepare();
    return this.current.detect(image, options);
  }

  dispose(): void {
    this.current?.dispose();
    this.current = undefined;
  }
}

/**
 * The models behind a session. It is a tracker at once, and loads what it needs when it is first asked for something, so that videos
 * open, are painted on and exported before, and without, any model.
 */
export class Engine implements FrameTracker {
  readonly segmenter: SegmenterSlot;
  readonly detector: DetectorSlot;
  readonly #choices = new Map<ModelRole, string>();
  readonly #digests = new Map<string, string>();
  #identity: { model: string; weights: string; longEdge: number | null } = EMBEDDED;
  #loading: Promise<FrameTracker> | undefined;
  #loaded: FrameTracker | undefined;
  #toyTracker: ToyTracker | undefined;
  #models: SamTrack | undefined;

  constructor(
    readonly kind: EngineKind,
    private readonly options: {
      toy?: ToyPace;
      reason?: string;
      onStatus: (status: EngineStatus) => void;
      /** The GPU was lost, and has been opened again. */
      onRecovered: () => void;
    },
  ) {
    this.segmenter = new SegmenterSlot(() => this.load());
    this.detector = new DetectorSlot(() => this.load());
    if (kind === 'toy') {
      this.#toyTracker = new ToyTracker(paced(options.toy ?? {}));
      this.segmenter.current = new ToySegmenter();
      this.detector.current = new ToyDetector();
    } else if (kind !== 'none') this.segmenter.current = builtInSegmenter();
  }

  /**
   * What masks depend on beside events and video, as it stands in project files. Weights are known by their content, whatever the file is called.
   * @throws SessionError, NotFoundError where the file is gone
   */
  async identity(): Promise<Readonly<Record<string, string | number | null>>> {
    const others = { longTermGap: null, memoryPolicy: null };
    if (this.kind === 'toy') return { model: 'toy', weights: 'none', longEdge: null, ...others };
    const { model, weights, longEdge } = this.#identity;
    const chosen = this.#choices.get('tracker');
    const weightsDigest = chosen ? await this.#digestOf(await modelFile(chosen)) : EMBEDDED_DIGEST;
    const own = weightsDigest === EMBEDDED_DIGEST ? EMBEDDED.longEdge : longEdge;
    return { model, weights, weightsDigest, longEdge: own, ...others };
  }

  async #digestOf(file: File): Promise<string> {
    const key = `${file.name} ${file.size} ${file.lastModified}`;
    const digest = this.#digests.get(key) ?? (await blobDigest(file));
    this.#digests.set(key, digest);
    return digest;
  }

  /** Loads the tracker, unless it is there. @throws DeviceError, CheckpointError, SessionError `bad-option` without an engine */
  load(): Promise<FrameTracker> {
    this.#loading ??= this.#load().catch((error) => {
      this.#loading = undefined;
      this.options.onStatus({ state: 'failed', failure: failureOf(error) });
      throw error;
    });
    return this.#loading;
  }

  async #load(): Promise<FrameTracker> {
    const { onStatus, onRecovered } = this.options;
    if (this.kind === 'none')
      throw new SessionError('bad-option', 'the page was opened with engine=none: it tracks nothing');
    if (this.#toyTracker) {
      this.#loaded = this.#toyTracker;
    } else {
      onStatus({ state: 'loading', fraction: 0 });
      const chosen = this.#choices.get('tracker');
      this.#models = await SamTrack.load({
        engine: this.kind === 'cpu' ? 'cpu' : 'webgpu',
        cpu: { wasmPaths: new URL('ort/', self.location.href).href },
        model: this.#identity.model as 'deaot-t',
        weights: chosen ? await modelUrl(chosen) : bundled(EMBEDDED.weights),
        longEdge: this.#identity.longEdge ?? undefined,
        onProgress: ({ bytes, total }) => onStatus({ state: 'loading', fraction: total ? bytes / total : 0 }),
        onDeviceLost: onRecovered,
      });
      this.#loaded = this.#models.tracker;
    }
    onStatus({ state: 'ready' });
    return this.#loaded;
  }

  /** Takes other models. The tracker is one that projects of its own are made with. */
  async use(choices: readonly ModelChoice[]): Promise<void> {
    if (this.kind === 'toy') return;
    const before = new Map(this.#choices);
    for (const { role, file } of choices) this.#choices.set(role, file ?? '');
    const changed = choices.filter(({ role, file }) => (before.get(role) ?? '') !== (file ?? ''));
    for (const { role, id, file } of changed) {
      if (role === 'detector') {
        this.detector.dispose();
        if (file) this.detector.current = new GroundingDinoDetector(await modelFile(file));
      } else if (role === 'tracker') {
        this.#identity = file ? { model: id, weights: file, longEdge: null } : EMBEDDED;
        await this.#unload();
      }
    }
    // It may have been, or become, the tracker's own network.
    if (changed.some(({ role }) => role !== 'detector')) {
      this.segmenter.dispose();
      this.segmenter.current = await this.#segmenter();
    }
  }

  /** The segmenter that was chosen; where the tracker is of the same file, its network. */
  async #segmenter(): Promise<Segmenter> {
    const file = this.#choices.get('segmenter');
    if (!file) return builtInSegmenter();
    if (file !== this.#choices.get('tracker')) return new SamSegmenter(await modelFile(file));
    return new TrackerSegmenter(this.#identity.model, {
      predictor: () => this.#models?.tracker.predictor(),
      aside: (...given) => this.#models?.tracker.aside(...given),
    });
  }

  /** After the GPU is gone for good: what is asked next tries to open it again. */
  async forget(): Promise<void> {
    await this.#unload();
  }

  async #unload(): Promise<void> {
    const models = this.#models;
    this.#loading = undefined;
    this.#loaded = undefined;
    this.#models = undefined;
    // Its buffers may be gone with the device.
    await models?.dispose().catch(() => {});
  }

  async addReference(frame: Frame, labels: LabelMap, given?: ReadonlySet<number>): Promise<void> {
    await (await this.load()).addReference(frame, labels, given);
  }

  async step(frame: Frame): Promise<LabelMap> {
    return (await this.load()).step(frame);
  }

  async predict(frame: Frame) {
    return (await this.load()).predict(frame);
  }

  async remember(frame: Frame, labels: LabelMap): Promise<void> {
    await (await this.load()).remember(frame, labels);
  }

  async recall(frame: Frame, labels: LabelMap): Promise<void> {
    await (await this.load()).recall(frame, labels);
  }

  memorises(index: number): boolean {
    return this.#loaded?.memorises(index) ?? false;
  }

  get recallsExactly(): boolean {
    return this.#loaded?.recallsExactly ?? true;
  }

  get recentFrames(): number {
    return this.#loaded?.recentFrames ?? 1;
  }

  get groupSize(): number {
    return this.#loaded?.groupSize ?? 10;
  }

  get memorisedFrames() {
    return this.#loaded?.memorisedFrames ?? [];
  }

  get memory() {
    return this.#loaded?.memory ?? { rememberedBytes: 0, allocatedBytes: 0, keptBytes: 0 };
  }

  restart(options?: RestartOptions): void {
    this.#loaded?.restart(options);
  }
}

async function modelUrl(file: string): Promise<string> {
  return URL.createObjectURL(await modelFile(file));
}
