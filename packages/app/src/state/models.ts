import { signal } from '@preact/signals';
import { type CatalogEntry, catalog } from '@samtrack/weights';
import type { BirpcReturn } from 'birpc';
import { openChannel } from '../channel.js';
import { scriptUrl } from '../page/trusted.js';
import type { ModelRole, NetApi, NetPageApi, NetReport, StoredModel } from '../protocol.js';
import { ROLES } from '../roles.js';
import { attempt, engine, parameters, report } from './engine.js';
import { change, settings } from './settings.js';
import { tell } from './view.js';

export { type CatalogEntry, catalog };

/** Checkpoints that are here. */
export const stored = signal<readonly StoredModel[]>([]);
/** Downloads under way, and what is there of those that were stopped, by file. */
export const downloads = signal<ReadonlyMap<string, NetReport | { state: 'stopped'; got: number; problem?: string }>>(
  new Map(),
);

let net: BirpcReturn<NetApi, NetPageApi> | undefined;

/** The worker for downloads, started when it is first needed. */
function network(): BirpcReturn<NetApi, NetPageApi> {
  net ??= openChannel<NetApi, NetPageApi>(new Worker(scriptUrl('net.js'), { type: 'module', name: 'downloads' }), {
    progress: (progress) => set(progress.file, progress),
  });
  return net;
}

function set(file: string, state: NetReport | { state: 'stopped'; got: number; problem?: string } | undefined): void {
  const next = new Map(downloads.value);
  if (state) next.set(file, state);
  else next.delete(file);
  downloads.value = next;
}

/** Where a checkpoint is fetched from: in tests, and for mirrors, `?models=URL` takes the publisher's place. */
export function urlOf(entry: CatalogEntry): string | undefined {
  const mirror = parameters.get('models');
  if (mirror) return new URL(entry.file, new URL(mirror, location.href)).href;
  return entry.source.kind === 'url' ? entry.source.url : undefined;
}

/** What a checkpoint can be used as. */
export const rolesOf = ({ family }: CatalogEntry): readonly ModelRole[] => ROLES[family];

export async function refreshModels(): Promise<void> {
  stored.value = (await attempt(() => engine().storedModels())) ?? [];
  for (const { file, bytes } of (await attempt(() => network().parts())) ?? []) {
    const now = downloads.value.get(file);
    if (!now || now.state === 'stopped') set(file, { state: 'stopped', got: bytes });
  }
}

/** Downloads a checkpoint, and uses it. */
export async function pull(entry: CatalogEntry, role: ModelRole): Promise<void> {
  const url = urlOf(entry);
  if (!url) return;
  const { file, size: bytes, sha256 } = entry;
  set(file, { file, got: 0, total: bytes, state: 'loading', host: new URL(url).host });
  try {
    await network().download({ url, file, bytes, sha256 });
    // It is the publisher's by now, wherever a hash is known.
    set(file, { file, got: bytes ?? 0, total: bytes, state: 'storing', host: new URL(url).host });
    const model = await engine().halveModel(file);
    set(file, undefined);
    await refreshModels();
    await use(role, model);
    tell({ kind: 'info', message: `${entry.title} is ready.` });
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const parts = await network().parts();
    const got = parts.find((part) => part.file === file)?.bytes ?? 0;
    set(file, { state: 'stopped', got, ...(code === 'stopped' ? {} : { problem: message }) });
    if (code !== 'stopped') report(error);
  }
}

export const pause = (file: string) => network().pause(file);

export async function discard(file: string): Promise<void> {
  await network().discard(file);
  set(file, undefined);
}

/** What is used for a role: a checkpoint that is here, or what comes with the page. */
export async function use(role: ModelRole, model: StoredModel | undefined): Promise<void> {
  const others = settings.value.models.filter((choice) => choice.role !== role);
  change({ models: model ? [...others, { role, id: model.id, file: model.file }] : others });
  await applyModels();
}

/** Tells the engine which models to use; one that is gone is left out. */
export async function applyModels(): Promise<void> {
  const choices = settings.value.models;
  const roles: ModelRole[] = ['tracker', 'segmenter', 'detector'];
  await attempt(() =>
    engine().models(roles.map((role) => choices.find((choice) => choice.role === role) ?? { role, id: 'built-in' })),
  );
}

export async function removeModel(model: StoredModel): Promise<void> {
  for (const { role, file } of settings.value.models) if (file === model.file) await use(role, undefined);
  await attempt(() => engine().removeModel(model.file));
  await refreshModels();
}

/** Takes a dropped checkpoint in. */
export async function importModel(file: File): Promise<void> {
  const model = await attempt(() => engine().addModel(file));
  if (!model) return;
  await refreshModels();
  const [role] = model.roles as [ModelRole];
  await use(role, model);
  tell({ kind: 'info', message: `${file.name}: ${model.title}, ready as the ${role}.` });
}

/** A file from another host. */
export const fetchFile = (url: string) => network().fetchFile(url);
