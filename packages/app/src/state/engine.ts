import { signal } from '@preact/signals';
import type { BirpcReturn } from 'birpc';
import { latestOnly, openChannel, RemoteError } from '../channel.js';
import { scriptUrl } from '../page/trusted.js';
import type { EngineApi, EngineKind, PageApi, Report } from '../protocol.js';
import { alarmed, capabilities, project, receive, takeOver, tell } from './view.js';

/** What the address says about how to run: `?engine=cpu`, `?present=2d`, `?delay=20`, `?holds=3,7`. */
export const parameters = new URLSearchParams(location.search);

/** Batches are shown before the next one is asked for; a page in the background has no frames to wait for. */
const shown = () =>
  new Promise<void>((resolve) => {
    if (document.hidden) setTimeout(resolve, 50);
    else requestAnimationFrame(() => resolve());
  });

type Remote = BirpcReturn<EngineApi, PageApi>;

let remote: Remote | undefined;

/** What the page took to take each of the newest reports in, in milliseconds. */
export const reportTimes: number[] = [];

/** What the engine draws on, from its worker. */
export const stageCanvas = signal(newCanvas());

function newCanvas(): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.setAttribute('aria-hidden', 'true');
  return canvas;
}

/** Gives the engine another canvas to draw on. */
function replaceCanvas(): void {
  stageCanvas.value = newCanvas();
  void remote?.draw(stageCanvas.value.transferControlToOffscreen());
}

/** Starts the worker. */
export async function startEngine(): Promise<void> {
  const worker = new Worker(scriptUrl('engine.js'), { type: 'module', name: 'engine' });
  worker.addEventListener('error', ({ message }) => {
    tell({ kind: 'error', message: `The engine has stopped: ${message}. Reload the page; everything is saved.` });
  });
  remote = openChannel<EngineApi, PageApi>(worker, {
    async report(report: Report) {
      const began = performance.now();
      receive(report);
      if (report.canvasLost) replaceCanvas();
      reportTimes.push(performance.now() - began);
      if (reportTimes.length > 500) reportTimes.shift();
      await shown();
    },
  });
  const wanted = (['webgpu', 'cpu', 'toy', 'none'] satisfies EngineKind[]).find(
    (kind) => kind === parameters.get('engine'),
  );
  capabilities.value = await remote.start({
    canvas: stageCanvas.value.transferControlToOffscreen(),
    engine: wanted ?? 'auto',
    presenter: parameters.get('present') === '2d' ? '2d' : 'auto',
    toy: {
      delay: Number(parameters.get('delay') ?? 0),
      holds: parameters.get('holds')?.split(',').map(Number),
    },
  });
}

/** The engine. @throws Error before it was started */
export function engine(): Remote {
  if (!remote) throw new Error('the engine has not been started');
  return remote;
}

export const seekLatest = latestOnly((frame: number) => engine().seek(frame));
export const viewLatest = latestOnly((...look: Parameters<EngineApi['view']>) => engine().view(...look));
export const previewLatest = latestOnly((request: Parameters<EngineApi['preview']>[0]) => engine().preview(request));

/** What a person can do about an error, where the message alone does not say. */
const REMEDIES: Readonly<Record<string, string>> = {
  'no-segmenter': 'Get one under Models, or use the brush, a polygon, or a mask file.',
  'no-detector': 'Get one under Models.',
  'disk-full': 'Free some storage, then go on: nothing that was done is lost.',
};

/** Runs something that the user asked for; what goes wrong is told. @returns undefined then */
export async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    report(error);
    return undefined;
  }
}

/** Tells an error. */
export function report(error: unknown): void {
  const { name, message } = error as Error;
  const code = error instanceof RemoteError ? error.code : undefined;
  if (name === 'AbortError') return;
  if (name === 'DeviceError' && code !== 'no-webgpu') takeOver.value = { kind: 'gpu-lost', message };
  const remedy = code && REMEDIES[code];
  const action =
    code === 'disk-full'
      ? 'storage'
      : code === 'no-segmenter' || code === 'no-detector'
        ? 'models'
        : code === 'busy' && project.value
          ? 'takeOver'
          : undefined;
  alarmed.value = message;
  tell({ kind: 'error', message: remedy ? `${message} ${remedy}` : message, action });
}
