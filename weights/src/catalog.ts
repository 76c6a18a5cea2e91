/** The catalogue of official checkpoints: facts that their publishers state, and nothing else. What is not published is left out. */
import catalogJson from '../catalog.json' with { type: 'json' };
import { WeightsError } from './error.js';

/** A published result of the official implementation with this checkpoint, in per cent. */
export interface PublishedScore {
  readonly dataset: string;
  readonly metric: string;
  readonly value: number;
  /** Where it is published. */
  readonly source: string;
}

/** Where a checkpoint is fetched from. */
export type CheckpointSource =
  | { readonly kind: 'url'; readonly url: string }
  /** A file shared on Google Drive, by its id. */
  | { readonly kind: 'google-drive'; readonly id: string };

/** Names of the tensors: those of the official implementation, or those of Hugging Face transformers. */
export type KeyMapId =
  | 'deaot'
  | 'sam'
  | 'mobile-sam'
  | 'sam2'
  | 'sam2-transformers'
  | 'grounding-dino'
  | 'grounding-dino-transformers';

/** A checkpoint that its authors published. */
export interface CatalogEntry {
  /** What `weights pull` takes. */
  readonly id: string;
  readonly title: string;
  readonly family: 'deaot' | 'sam' | 'sam2' | 'grounding-dino';
  readonly encoder: string;
  /** Propagation layers (DeAOT), encoder layers (Grounding DINO). */
  readonly layers?: number;
  /** Values of `--model` that it serves. */
  readonly models: readonly string[];
  readonly keyMap: KeyMapId;
  /** Name in the cache: the official file name. */
  readonly file: string;
  readonly format: 'pytorch' | 'safetensors';
  readonly source: CheckpointSource;
  /** The publisher's page about it. */
  readonly page: string;
  /** Bytes. */
  readonly size?: number;
  /** Lower-case hex. */
  readonly sha256?: string;
  /** Who states size and hash, where it is not the publisher. */
  readonly hashFrom?: string;
  /** SPDX identifier. */
  readonly licence: string;
  readonly licenceNote?: string;
  /** Tensors in the official state dict. */
  readonly tensors?: number;
  /** Learned values. */
  readonly parameters?: number;
  readonly scores: readonly PublishedScore[];
}

/** Checks that a JSON value is a catalogue. @throws TypeError that names the entry and field */
export function parseCatalog(value: unknown): readonly CatalogEntry[] {
  const { version, checkpoints } = record(value, 'the catalogue');
  if (version !== 1) throw new TypeError(`catalogue version ${String(version)} is not supported`);
  if (!Array.isArray(checkpoints)) throw new TypeError('the catalogue has no list of checkpoints');
  const entries = checkpoints.map(parseEntry);
  for (const field of ['id', 'file'] as const) {
    const seen = new Set<string>();
    for (const entry of entries) {
      if (seen.has(entry[field]))
        throw new TypeError(`two entries of the catalogue have the ${field} "${entry[field]}"`);
      seen.add(entry[field]);
    }
  }
  return entries;
}

function parseEntry(value: unknown, index: number): CatalogEntry {
  const entry = record(value, `entry ${index} of the catalogue`);
  const where = typeof entry['id'] === 'string' ? `"${entry['id']}"` : `entry ${index}`;
  const fail = (field: string) => new TypeError(`${where} of the catalogue: ${field}`);
  for (const field of ['id', 'title', 'encoder', 'file', 'page', 'licence', 'keyMap']) {
    if (typeof entry[field] !== 'string' || entry[field] === '') throw fail(`${field} is no text`);
  }
  if (/[\\/]/.test(entry['file'] as string)) throw fail('file is no plain name');
  if (!['deaot', 'sam', 'sam2', 'grounding-dino'].includes(entry['family'] as string)) throw fail('family is unknown');
  if (!['pytorch', 'safetensors'].includes(entry['format'] as string)) throw fail('format is unknown');
  if (!Array.isArray(entry['models']) || entry['models'].some((model) => typeof model !== 'string')) {
    throw fail('models is no list of names');
  }
  for (const field of ['size', 'tensors', 'parameters', 'layers']) {
    const number = entry[field];
    if (number !== undefined && !(Number.isSafeInteger(number) && (number as number) > 0))
      throw fail(`${field} is no count`);
  }
  if (entry['sha256'] !== undefined && !/^[0-9a-f]{64}$/.test(String(entry['sha256']))) throw fail('sha256 is no hash');
  const source = record(entry['source'], `the source of ${where}`);
  const known =
    (source['kind'] === 'url' && /^https?:\/\//.test(String(source['url']))) ||
    (source['kind'] === 'google-drive' && /^[\w-]{10,}$/.test(String(source['id'])));
  if (!known) throw fail('source is neither a URL nor a Google Drive id');
  if (!Array.isArray(entry['scores'])) throw fail('scores is no list');
  for (const item of entry['scores']) {
    const score = record(item, `a score of ${where}`);
    const texts = [score['dataset'], score['metric'], score['source']];
    if (texts.some((text) => typeof text !== 'string') || typeof score['value'] !== 'number')
      throw fail('a score is incomplete');
  }
  return entry as unknown as CatalogEntry;
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError(`${what} is no object`);
  return value as Record<string, unknown>;
}

/** Every official checkpoint we know. */
export const catalog: readonly CatalogEntry[] = parseCatalog(catalogJson);

/** The entry called `id`, else the one whose file is called so. @throws WeightsError `unknown-name` */
export function findEntry(name: string, entries: readonly CatalogEntry[] = catalog): CatalogEntry {
  const entry = entries.find(({ id }) => id === name) ?? entries.find(({ file }) => file === name);
  if (entry) return entry;
  const ids = entries.map(({ id }) => id).join(', ');
  throw new WeightsError('unknown-name', `no checkpoint is called "${name}"; there are ${ids}`);
}

/** The entry that serves a model by default: the first of the catalogue. */
export function entryForModel(model: string, entries: readonly CatalogEntry[] = catalog): CatalogEntry | undefined {
  return entries.find(({ models }) => models.includes(model));
}
