/** The page: starts the engine's worker, and shows what it tells. */
import { effect } from '@preact/signals';
import { render } from 'preact';
import { openFiles, reopen, seek } from '../state/actions.js';
import { COMMANDS } from '../state/commands.js';
import { engine, parameters, reportTimes, startEngine } from '../state/engine.js';
import { applyModels } from '../state/models.js';
import { alarmed, project, returning, source, takeOver } from '../state/view.js';
import { viewport } from '../state/viewport.js';
import { allowBlobWorkers } from '../trusted-types.js';
import { App } from '../ui/app.js';
import { keysOf, listenToKeys } from './keys.js';
import { scriptUrl } from './trusted.js';

allowBlobWorkers();

render(<App />, document.getElementById('app')!);
listenToKeys();

effect(() => {
  document.title = source.value ? `${source.value.name} · SAMTrack` : 'SAMTrack';
});

// The address names the project, so that a reload finds it.
const addressed = () => new URLSearchParams(location.hash.slice(1)).get('p') ?? undefined;

/** The worker is started, its models are chosen, and the project that the address names is opened. */
async function start(): Promise<void> {
  if (!isSecureContext) {
    takeOver.value = { kind: 'insecure' };
    return;
  }
  const id = addressed();
  returning.value = Boolean(id);
  await startEngine();
  if (parameters.get('engine') !== 'toy') await applyModels();
  if (id) await reopen(id);
  returning.value = false;
  effect(() => {
    const now = project.value ? `#p=${encodeURIComponent(project.value.id)}` : '';
    if (now !== location.hash) history.replaceState(null, '', `${location.pathname}${location.search}${now}`);
  });
}

start().catch((error: Error) => {
  alarmed.value = error.message;
  document.getElementById('content')!.textContent = `The engine does not start: ${error.message}`;
});

// After the first load the page needs no network.
if ('serviceWorker' in navigator && parameters.get('offline') !== 'no') {
  window.addEventListener(
    'load',
    () => void navigator.serviceWorker.register(scriptUrl('service-worker.js')).catch(() => {}),
  );
}

/** For whoever looks into the console, and the tests. */
const handle = {
  settled: () => engine().settled(),
  snapshot: () => engine().snapshot(),
  labelHash: (frame: number, object?: number) => engine().labelHash(frame, object),
  areas: (frame: number) => engine().areas(frame),
  viewport: () => viewport.value,
  openFiles,
  measureLanes: async (objects: number, frames: number) =>
    (await import('../timeline/measure.js')).measureLanes(objects, frames),
  reportTimes: () => [...reportTimes],
  forgetReportTimes: () => {
    reportTimes.length = 0;
  },
  seek,
  /** Seconds at which frames are shown. */
  times: () => [...(source.value?.times ?? [])],
  commands: () => COMMANDS.map((command) => ({ id: command.id, scope: command.scope, keys: [...keysOf(command)] })),
};

declare global {
  var samtrack: typeof handle;
}

globalThis.samtrack = handle;
