import { batch } from '@preact/signals';
import { SerialQueue } from '@samtrack/kernels/common';
import { RemoteError } from '../channel.js';
import type { Direction, Exported, PromptRequest, PromptShown, RunOutcome, SourceView } from '../protocol.js';
import { LANE } from '../protocol.js';
import { discovery } from './discovery.js';
import { attempt, engine, previewLatest, report, seekLatest } from './engine.js';
import { saveAs } from './files.js';
import { isMeant, isModel, isProject, pathOf, sortOut } from './inputs.js';
import { inPageWords, type MaskGiven, maskGiven } from './mask.js';
import { settings } from './settings.js';
import {
  activeObject,
  busy,
  finished,
  frameCount,
  hidden,
  inOut,
  inspectorTab,
  isRunning,
  keyboardCursor,
  lanes,
  objects,
  playhead,
  playing,
  polarity,
  presented,
  project,
  range,
  recents,
  run,
  seeking,
  sought,
  source,
  stopping,
  type Tool,
  takeOver,
  tell,
  toasts,
  tool,
} from './view.js';

const openOptions = () => ({
  memoryMB: settings.value.memoryMB || undefined,
  keepCopy: settings.value.keepCopy,
});

/** Shows what is open; the address names it, so that a reload finds it. */
function enter(view: SourceView): void {
  batch(() => {
    source.value = view;
    tool.value = 'point';
    polarity.value = 1;
    takeOver.value = undefined;
    keyboardCursor.value = undefined;
    inspectorTab.value = 'objects';
  });
}

async function opening(what: string, work: () => Promise<SourceView>): Promise<boolean> {
  busy.value = what;
  const before = new Set(toasts.value);
  const view = await attempt(work);
  busy.value = undefined;
  if (!view) return false;
  enter(view);
  // What could not be opened before is of no interest any more.
  toasts.value = toasts.value.filter((toast) => !before.has(toast) || toast.kind !== 'error' || toast.action);
  return true;
}

export const openDemo = () => opening('Opening the demo clip', () => engine().open({ kind: 'demo' }, openOptions()));

/** Opens what was dropped or chosen, by what it is. */
export async function openFiles(given: readonly File[]): Promise<void> {
  const files = given.filter(isMeant);
  const [first] = files;
  if (!first) return;
  if (files.some((file) => /(?:^|\/)Annotations\//.test(pathOf(file)))) return openDataset(files);
  const projectFile = files.find(isProject);
  if (projectFile) {
    await importProject(
      projectFile,
      files.filter((file) => file !== projectFile),
    );
  } else if (isModel(first)) {
    const { importModel } = await import('./models.js');
    await importModel(first);
  } else if (files.length === 1 && project.value && first.type === 'image/png') {
    await importMask(first);
  } else {
    const chosen = await attempt(async () => sortOut(files));
    if (!chosen) return;
    const { length } = chosen.files;
    await opening(length > 1 ? `Opening ${length} images` : `Opening ${chosen.files[0]!.name}`, () =>
      engine().open({ kind: 'files', ...chosen }, openOptions()),
    );
  }
}

/** Opens a project file. `beside`: what came with it; its video, if it has none in it. */
async function importProject(file: File, beside: readonly File[]): Promise<void> {
  busy.value = `Opening ${file.name}`;
  const taken = await attempt(() => engine().importProject(file));
  busy.value = undefined;
  if (taken) await reopen(taken.id, { imported: taken.name, ...(beside.length > 0 && { files: beside }) });
}

/** A data set has pictures to open, and annotations to score with. */
async function openDataset(files: readonly File[]): Promise<void> {
  const pictures = files.filter((file) => /(?:^|\/)JPEGImages\//.test(pathOf(file)));
  const sequences = new Set(pictures.map((file) => pathOf(file).split('/').at(-2)));
  const { scoreFiles } = await import('./score.js');
  const entries = files.map((file) => ({ path: pathOf(file), file }));
  if (sequences.size === 1 && !project.value) {
    const [name] = sequences;
    await opening('Opening the sequence', () => engine().open({ kind: 'files', files: pictures, name }, openOptions()));
  }
  await scoreFiles(entries);
}

export const openCamera = (frames: ReadableStream<VideoFrame>, name: string) =>
  opening('Waiting for the camera', () => engine().open({ kind: 'camera', frames, name }, openOptions()));

/**
 * Takes a kept project up again; its file is asked for where it was not copied.
 * @param options `imported`: what it is called, where it has just come from a file
 */
export async function reopen(
  id: string,
  { imported, files: given, takeOver: taking }: { files?: readonly File[]; takeOver?: boolean; imported?: string } = {},
): Promise<void> {
  busy.value = 'Opening the project';
  try {
    const files = given && sortOut(given.filter(isMeant)).files;
    enter(await engine().reopen(id, { ...openOptions(), files, takeOver: taking, imported: imported !== undefined }));
  } catch (error) {
    const { code } = error as { code?: string };
    if (recents.value === undefined) await refreshRecents();
    const name = imported ?? recents.value?.find((stored) => stored.id === id)?.name;
    if (code === 'not-found' && name !== undefined) takeOver.value = { kind: 'source-needed', id, name };
    else report(error);
  }
  busy.value = undefined;
}

export async function closeProject(): Promise<void> {
  await attempt(() => engine().close());
  await refreshRecents();
}

export async function refreshRecents(): Promise<void> {
  recents.value = await engine()
    .projects()
    .catch(() => []);
}

export async function forget(id: string): Promise<void> {
  await attempt(() => engine().forget(id));
  await refreshRecents();
}

/** Goes to a frame. A run goes on where it is; what is shown comes back to it with its next frame. */
export function seek(frame: number): void {
  if (frameCount.value === 0) return;
  const wanted = Math.max(0, Math.min(frameCount.value - 1, Math.round(frame)));
  seeking(wanted);
  playing.value = false;
  seekLatest(wanted)
    .catch(report)
    .finally(() => sought(wanted));
}

/** Sets the in mark (0) or the out mark (1); where they would cross, the other one gives way. */
export function setMark(which: 0 | 1, frame: number): void {
  const [first, last] = inOut.value;
  inOut.value =
    which === 0
      ? [frame, last === undefined ? undefined : Math.max(last, frame)]
      : [first === undefined ? undefined : Math.min(first, frame), frame];
}

export const step = (by: number) => seek(playhead.value + by);

export function togglePlay(): void {
  if (isRunning.value) return;
  if (playing.value) engine().pause();
  else engine().play(playhead.value >= frameCount.value - 1 ? 0 : playhead.value);
}

/** Chooses a tool; `select` leaves whatever was begun. */
export function choose(wanted: Tool): void {
  tool.value = wanted;
  dropPreview();
}

/** Counts choices of the user's: what a prompt made is chosen only if nothing else was meanwhile. */
let choices = 0;

export function newObject(): void {
  choices++;
  activeObject.value = undefined;
  if (tool.value === 'select' || tool.value === 'eraser') tool.value = 'point';
}

export function selectObject(id: number | undefined): void {
  choices++;
  activeObject.value = id;
}

export function selectNext(by: 1 | -1): void {
  const ids = objects.value.map(({ id }) => id);
  if (ids.length === 0) return;
  const at = activeObject.value === undefined ? (by > 0 ? -1 : 0) : ids.indexOf(activeObject.value);
  activeObject.value = ids[(at + by + ids.length) % ids.length];
}

/** The request that a click, box or line with the current object and frame makes. */
export function promptFor(shown: PromptShown): PromptRequest {
  const frame = presented.value.frame;
  const object = activeObject.value;
  const before = project.value?.annotations.find((at) => at.frame === frame && at.object === object);
  const extend = before !== undefined && (before.points.length > 0 || before.box !== undefined);
  return { frame, object, ...(shown.points && extend ? { ...shown, extend } : shown) };
}

/** Prompts wait for those before them: a second click goes to the object that the first one made. */
const prompts = new SerialQueue();

/** Does something that makes or changes an object, which becomes the active one. */
async function choosing(work: () => Promise<readonly number[]>): Promise<readonly number[]> {
  const before = choices;
  const ids = (await attempt(work)) ?? [];
  const [only] = ids;
  if (ids.length === 1 && only !== undefined && choices === before) activeObject.value = only;
  return ids;
}

/** Gives a prompt; the object it made, or changed, becomes the active one. */
export const give = (shown: PromptShown): Promise<readonly number[]> => prompts.run(() => giveNow(shown));

async function giveNow(shown: PromptShown): Promise<readonly number[]> {
  const request = promptFor(shown);
  if (request.object === undefined && shown.labels?.every((label) => label === 0)) {
    tell({ kind: 'info', message: 'Click on the object first; then what is beside it can be taken away.' });
    return [];
  }
  const what =
    shown.text || shown.classes ? 'Looking for it' : shown.everything ? 'Segmenting everything' : 'Segmenting';
  // What comes at once needs no word.
  const timer = setTimeout(() => {
    busy.value = what;
  }, 300);
  const ids = await choosing(() => engine().prompt(request));
  clearTimeout(timer);
  busy.value = undefined;
  return ids;
}

export function dropPreview(): void {
  previewLatest(undefined).catch(report);
}

export const paint = (points: readonly (readonly [number, number])[], radius: number, erase: boolean): Promise<void> =>
  prompts.run(async () => {
    const object = activeObject.value;
    if (erase && object === undefined) {
      tell({ kind: 'info', message: 'Choose the object to erase from.' });
      return;
    }
    await choosing(() => engine().paint({ frame: presented.value.frame, object, points, radius, erase }));
  });

/** Takes a mask from a file, for the shown frame. `again`: the same file once more, to be read otherwise. */
export const importMask = (file: File, again?: MaskGiven): Promise<void> =>
  prompts.run(async () => {
    const frame = again?.frame ?? presented.value.frame;
    // What was said of another one offers nothing any more.
    toasts.value = toasts.value.filter(({ action }) => action !== 'mask');
    await choosing(async () => {
      try {
        const made = await engine().importMask({ frame, file, as: again?.as, instead: again?.edit });
        const said = `${file.name}: ${inPageWords(made.meaning)}`;
        maskGiven.value = { file, frame, as: again?.as, edit: made.edit, said };
        tell({ kind: 'info', message: said, action: 'mask' });
        return made.ids;
      } catch (error) {
        const { name, code, message } = error as RemoteError;
        if (name === 'MaskError' && code === 'size-mismatch') {
          throw new RemoteError({
            name,
            code,
            message: `${message}. To open it as a picture, close this project first.`,
          });
        }
        if (name !== 'MaskError' || !(code === 'ambiguous' || code === 'unsupported')) throw error;
        const said = inPageWords(message);
        // What it gave before is still there.
        maskGiven.value = { file, frame, edit: again?.edit, said };
        tell({ kind: 'error', message: said, action: 'mask' });
        return [];
      }
    });
  });

/** The annotation that the active object has in the shown frame. */
const activeAnnotation = () =>
  project.value?.annotations.find(
    ({ frame, object }) => frame === presented.value.frame && object === activeObject.value,
  );

export async function removeLastPoint(): Promise<void> {
  const annotation = activeAnnotation();
  if (!annotation || annotation.points.length === 0) return;
  const { frame, object, points } = annotation;
  await attempt(() => engine().removePoint(frame, object, points.length - 1));
}

export const undo = () => attempt(() => engine().undo());
export const redo = () => attempt(() => engine().redo());

/** Takes the active object, or another one, out of the shown frame. */
export async function eraseHere(id = activeObject.value): Promise<void> {
  if (id !== undefined) await attempt(() => engine().erase(presented.value.frame, id));
}

export async function removeObject(id = activeObject.value): Promise<void> {
  if (id === undefined) return;
  const name = objects.value.find((object) => object.id === id)?.name;
  const done = await attempt(async () => {
    await engine().remove(id);
    return true;
  });
  if (done) tell({ kind: 'info', message: `${name} is deleted. Undo brings it back.` });
}

export const update = (id: number, set: Parameters<ReturnType<typeof engine>['update']>[1]) =>
  attempt(() => engine().update(id, set));

export function toggleHidden(id: number): void {
  const now = new Set(hidden.value);
  if (!now.delete(id)) now.add(id);
  hidden.value = now;
}

/** Hides all but one; once more shows all. */
export function solo(id: number): void {
  const others = objects.value.map((object) => object.id).filter((other) => other !== id);
  const isSolo = others.length > 0 && others.every((other) => hidden.value.has(other)) && !hidden.value.has(id);
  hidden.value = new Set(isSolo ? [] : others);
}

/** Tracks what has to be tracked, within the in and out marks if there are any. */
export async function track(
  direction: Direction,
  options: { objects?: readonly number[]; frames?: 1; from?: number } = {},
): Promise<RunOutcome['ended']> {
  if (objects.value.length === 0) {
    tell({ kind: 'info', message: 'Show an object first: click it, or find everything in this frame (Shift+A).' });
    return 'failed';
  }
  const found = discovery.value;
  const frame = presented.value.frame;
  const [first, last] = range.value;
  const marked = inOut.value.some((mark) => mark !== undefined);
  const sign = direction === 'forward' ? 1 : -1;
  const spanned = marked ? (direction === 'forward' ? { from: first, to: last } : { from: last, to: first }) : {};
  finished.value = undefined;
  const single = options.frames ? { from: frame, to: frame + sign } : {};
  const outcome = await attempt(() =>
    engine().track({
      direction,
      ...spanned,
      ...single,
      ...(options.from !== undefined && { from: options.from }),
      objects: options.objects,
      discovery: found.kind === 'off' ? undefined : { ...found, kind: found.kind },
    }),
  );
  askToKeep();
  if (outcome?.ended === 'done') finished.value = direction;
  if (outcome?.ended === 'failed') report(new RemoteError(outcome.failure));
  return outcome?.ended ?? 'failed';
}

let asked = false;

/** What was tracked is worth keeping: browsers that make a difference do not throw it away then. */
function askToKeep(): void {
  if (asked) return;
  asked = true;
  void navigator.storage?.persist?.();
}

export async function trackBoth(): Promise<void> {
  const ended = await track('forward');
  if (ended === 'done' && (project.value?.pending.backward ?? 0) > 0) await track('backward');
}

/** Tracks what an edit has made stale, or goes on with a run that was left. */
export async function resume(): Promise<void> {
  const paused = run.value.state === 'paused' ? run.value.direction : undefined;
  const pending = project.value?.pending;
  await track(paused ?? ((pending?.forward ?? 0) > 0 ? 'forward' : 'backward'));
}

export async function stop(): Promise<void> {
  stopping(false);
  await attempt(() => engine().stop());
  stopping(true);
}

const visited: { frame: number; object: number }[] = [];

/** Goes to the frame that is the least sure one, and on to the next at each call. */
export function goToWorst(by: 1 | -1 = 1): void {
  if (by < 0) {
    visited.pop();
    const before = visited.at(-1);
    if (before) {
      activeObject.value = before.object;
      seek(before.frame);
    }
    return;
  }
  let worst: { frame: number; object: number; confidence: number } | undefined;
  for (const { object, states, confidence } of lanes.values()) {
    for (let frame = 0; frame < states.length; frame++) {
      if (states[frame] !== LANE.tracked && states[frame] !== LANE.absent) continue;
      if (visited.some((at) => Math.abs(at.frame - frame) <= 10 && at.object === object)) continue;
      if (!worst || confidence[frame]! < worst.confidence) worst = { frame, object, confidence: confidence[frame]! };
    }
  }
  if (!worst) {
    visited.length = 0;
    tell({ kind: 'info', message: 'There is no other frame to look at.' });
    return;
  }
  visited.push(worst);
  activeObject.value = worst.object;
  seek(worst.frame);
}

/** Goes to the next frame that has an annotation of the active object, or of any. */
export function goToAnchor(by: 1 | -1): void {
  const frames = (project.value?.annotations ?? [])
    .filter(({ object }) => activeObject.value === undefined || object === activeObject.value)
    .map(({ frame }) => frame)
    .filter((frame) => by * (frame - playhead.value) > 0)
    .sort((a, b) => by * (a - b));
  if (frames[0] !== undefined) seek(frames[0]);
}

async function exportFormats(
  formats: readonly string[],
  palette: 'voc' | 'davis' | 'samtrack',
): Promise<Exported | undefined> {
  const [from, to] = range.value;
  const name = source.value?.name ?? 'samtrack';
  return attempt(() => engine().export({ formats, from, to, palette, name }));
}

/** Exports, and gives the file to the user. */
export async function saveFormats(
  formats: readonly string[],
  palette: 'voc' | 'davis' | 'samtrack',
): Promise<Exported | undefined> {
  const exported = await exportFormats(formats, palette);
  if (!exported) return undefined;
  for (const message of exported.warnings) tell({ kind: 'warning', message });
  await saveAs(exported.file);
  return exported;
}
