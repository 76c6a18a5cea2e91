import { fnv1aText } from '../common/index.js';
import type { AdapterClass } from '../device/adapter.js';
import { TuningError } from './error.js';

/** What a table was measured on. Equal identities mean that its measurements hold. */
export interface AdapterIdentity {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  /** Names the driver, as a rule with its version. */
  readonly description: string;
  /** Decides which kernels there are. */
  readonly subgroupSize: number;
  readonly maxInvocations: number;
  readonly maxWorkgroupBytes: number;
}

/** What was found out about one shape. */
export interface TunedEntry {
  /** The kernel to use. */
  readonly variant: string;
  /** The one that is used without measurements. */
  readonly selected: string;
  /** Median time of each that was tried. */
  readonly milliseconds: Readonly<Record<string, number>>;
  /** How much of what the adapter can do at most the chosen one reaches, 0..1. */
  readonly share: number;
}

/** The measurements of one operation. */
interface OpEntries {
  /** `fingerprint` of the kernels that were measured. */
  kernels: string;
  readonly shapes: Map<string, TunedEntry>;
}

const FORMAT = 'samtrack-tuning';
const VERSION = 1;
const IDENTITY = [
  'vendor',
  'architecture',
  'device',
  'description',
  'subgroupSize',
  'maxInvocations',
  'maxWorkgroupBytes',
] as const satisfies (keyof AdapterIdentity)[];

/** What tells one adapter and its driver from another, in tables of measurements. */
export function adapterIdentity(
  { vendor, architecture, device, description }: GPUAdapterInfo,
  { subgroupSize, maxInvocations, maxWorkgroupBytes }: AdapterClass,
): AdapterIdentity {
  return { vendor, architecture, device, description, subgroupSize, maxInvocations, maxWorkgroupBytes };
}

/** A name for an adapter's table that is also a file name: what people recognise, and a hash of the rest. */
export function tableName(adapter: AdapterIdentity): string {
  const words = `${adapter.vendor} ${adapter.device || adapter.architecture}`.toLowerCase();
  const readable = words.replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-|-$/g, '');
  return `${readable.slice(0, 48) || 'adapter'}-${fnv1aText(identityText(adapter)).toString(16).padStart(8, '0')}`;
}

const identityText = (adapter: AdapterIdentity): string => IDENTITY.map((field) => adapter[field]).join('\n');

/** Measurements of one adapter: by operation and shape. */
export class TuningTable {
  readonly #operations = new Map<string, OpEntries>();

  constructor(readonly adapter: AdapterIdentity) {}

  /** Number of shapes. */
  get size(): number {
    let size = 0;
    for (const { shapes } of this.#operations.values()) size += shapes.size;
    return size;
  }

  /** @param kernels `fingerprint` of the operation: what was measured with other kernels does not count. */
  get(op: string, kernels: string, shape: string): TunedEntry | undefined {
    const entries = this.#operations.get(op);
    return entries?.kernels === kernels ? entries.shapes.get(shape) : undefined;
  }

  /** Adds or replaces a measurement; those of the operation's other kernels are forgotten. */
  set(op: string, kernels: string, shape: string, entry: TunedEntry): void {
    let entries = this.#operations.get(op);
    if (entries?.kernels !== kernels) this.#operations.set(op, (entries = { kernels, shapes: new Map() }));
    entries.shapes.set(shape, entry);
  }

  /** Takes over what another table of this adapter knows; where both know something, the other is right. */
  merge(newer: TuningTable): void {
    for (const [op, { kernels, shapes }] of newer.#operations) {
      for (const [shape, entry] of shapes) this.set(op, kernels, shape, entry);
    }
  }

  /** The table as text, JSON with operations and shapes in alphabetical order. */
  serialise(): string {
    const sorted = <T, U>(map: ReadonlyMap<string, T>, convert: (value: T) => U) =>
      Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, convert(value)]));
    const operations = sorted(this.#operations, ({ kernels, shapes }) => ({
      kernels,
      shapes: sorted(shapes, (entry) => entry),
    }));
    return `${JSON.stringify({ format: FORMAT, version: VERSION, adapter: this.adapter, operations }, null, 1)}\n`;
  }

  /**
   * Reads what `serialise` wrote.
   * @param adapter The one in use.
   * @param from Where the text is from, for messages.
   * @throws TuningError for any other text, or one of another adapter.
   */
  static parse(text: string, adapter: AdapterIdentity, from: string): TuningTable {
    const corrupt = (why: string, cause?: unknown) =>
      new TuningError('corrupt', `${from} is no table of measured kernels: ${why}.`, { cause });
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (cause) {
      throw corrupt('it is no JSON', cause);
    }
    if (!isRecord(json) || json['format'] !== FORMAT) throw corrupt(`its format is not "${FORMAT}"`);
    if (json['version'] !== VERSION) throw corrupt(`its version is ${json['version']}, not ${VERSION}`);
    const { adapter: other, operations } = json;
    if (!isRecord(other) || !isRecord(operations)) throw corrupt('it names no adapter or no operations');
    if (IDENTITY.some((field) => other[field] !== adapter[field])) {
      throw new TuningError('alien', `${from} was measured on another adapter or driver, "${other['description']}".`);
    }
    const table = new TuningTable(adapter);
    for (const [op, entries] of Object.entries(operations)) {
      if (!isRecord(entries) || typeof entries['kernels'] !== 'string' || !isRecord(entries['shapes'])) {
        throw corrupt(`"${op}" has no kernels or no shapes`);
      }
      for (const [shape, entry] of Object.entries(entries['shapes'])) {
        if (!isEntry(entry)) throw corrupt(`"${op}", "${shape}" is no measurement`);
        table.set(op, entries['kernels'], shape, entry);
      }
    }
    return table;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isEntry = (value: unknown): value is TunedEntry =>
  isRecord(value) &&
  typeof value['variant'] === 'string' &&
  typeof value['selected'] === 'string' &&
  typeof value['share'] === 'number' &&
  isRecord(value['milliseconds']) &&
  Object.values(value['milliseconds']).every((time) => typeof time === 'number');
