import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { GraphCacheOptions, Weight } from '../session.js';

/** Changes with what an entry is. */
const FORMAT = 3;
const DEFAULT_LIMIT_MB = 2000;
/** Graphs with less in constants, in bytes, are compiled sooner than looked up. */
const LEAST_BYTES = 2 ** 20;
/** What is stored is larger than the weights by about as much: ONNX Runtime folds constants, and arranges filters anew. */
const STORED_RATIO = 1.4;
/** A process that writes an entry for longer, in milliseconds, has died. */
const ABANDONED_AFTER = 3_600_000;
/** In the names of entries that are being written. */
const UNFINISHED = '.tmp-';
/** Names of entries, and of those that are being written. What else is in the folder is not ours. */
const ENTRY = /^[0-9a-f]{40}$/;
const UNFINISHED_ENTRY = /^[0-9a-f]{40}\.tmp-\w{6}$/;
/** Tells which files belong to an entry, and how they were written; it is written last, and its time is that of the last use. */
const SUMMARY = 'entry.json';

/** Size and CRC-32 of each file. */
type Summary = Record<string, { bytes: number; crc32: number }>;

/** `$XDG_CACHE_HOME/samtrack/graphs`, or `~/.cache/samtrack/graphs`; nothing for users without a home, as containers have them. */
function defaultFolder(): string | undefined {
  try {
    return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'samtrack', 'graphs');
  } catch {
    return undefined;
  }
}

/**
 * Compiled graphs on disk, each a folder, named by everything that it was made from. Folders appear whole, and one that is
 * damaged, or cannot be read, is as good as none: whoever looks for it makes it anew.
 */
export class GraphCache {
  readonly #digests = new WeakMap<object, Buffer>();
  /** Entries that this process made or checked, and what `identityOf` said of them then. */
  readonly #whole = new Map<string, string>();
  readonly #limit: number;
  /** Whether nothing can be written: then nothing is compiled to be written, and what is there is read. */
  #readOnly = false;

  /** @param maker What compiles: entries of others are of no use to it. */
  constructor(
    private readonly maker: string,
    private readonly folder: string,
    limitMB = DEFAULT_LIMIT_MB,
  ) {
    this.#limit = limitMB * 1e6;
  }

  /** What the options and the environment say. */
  static of(maker: string, options: GraphCacheOptions | false | undefined): GraphCache | undefined {
    const fromEnvironment = process.env['SAMTRACK_GRAPH_CACHE'];
    if (options === false || (options === undefined && fromEnvironment === 'off')) return undefined;
    const named = fromEnvironment === 'off' ? undefined : fromEnvironment || undefined;
    const folder = options?.folder ?? named ?? defaultFolder();
    return folder === undefined ? undefined : new GraphCache(maker, folder, options?.limitMB);
  }

  /** Whether a graph is worth it, and fits. */
  takes(weights: readonly Weight[]): boolean {
    const bytes = weights.reduce((sum, { source }) => sum + source.byteLength, 0);
    return bytes >= LEAST_BYTES && STORED_RATIO * bytes <= this.#limit;
  }

  /** Of a graph with these weights. */
  key(model: Uint8Array, weights: readonly Weight[]): string {
    const hash = createHash('sha256').update(`${FORMAT} ${this.maker} ${model.length} `).update(model);
    for (const weight of weights) hash.update(this.#digest(weight));
    return hash.digest('hex').slice(0, 40);
  }

  #digest({ source }: Weight): Buffer {
    let digest = this.#digests.get(source);
    if (!digest) this.#digests.set(source, (digest = digestOf(source.values)));
    return digest;
  }

  /** Whether weights still are what the keys say that were made of them: arrays belong to who gave them. */
  unchanged(weights: readonly Weight[]): boolean {
    return weights.every(({ source }) => {
      const before = this.#digests.get(source);
      const now = digestOf(source.values);
      this.#digests.set(source, now);
      return before === undefined || now.equals(before);
    });
  }

  /** The folder of an entry, made by `write` unless it is there. None where files cannot be written, or `write` fails. */
  async entry(key: string, write: (folder: string) => Promise<void>): Promise<string | undefined> {
    const folder = join(this.folder, key);
    if (await this.#isWhole(folder)) {
      const now = new Date();
      // Where nothing can be written, nobody keeps what is used.
      await utimes(join(folder, SUMMARY), now, now).catch(() => {});
      return folder;
    }
    if (this.#readOnly) return undefined;
    try {
      await this.#make(folder, write);
    } catch (error) {
      // Errors of the file system have a code.
      this.#readOnly ||= (error as NodeJS.ErrnoException).code !== undefined;
      return undefined;
    }
    await this.#evict(key).catch(() => {});
    return folder;
  }

  /** Removes an entry that turned out to be of no use. */
  async forget(key: string): Promise<void> {
    const folder = join(this.folder, key);
    this.#whole.delete(folder);
    await remove(folder);
  }

  async #isWhole(folder: string): Promise<boolean> {
    const summary = await readSummary(folder);
    if (!summary) return false;
    const names = Object.keys(summary);
    // Before they are read: what changes meanwhile is read again the next time.
    const identity = await identityOf(folder, names);
    if (identity !== undefined && this.#whole.get(folder) === identity) return true;
    for (const name of names) {
      const { bytes, crc32: expected } = summary[name]!;
      const actual = await summarise(join(folder, name)).catch(() => undefined);
      if (actual?.bytes !== bytes || actual.crc32 !== expected) return false;
    }
    if (identity !== undefined) this.#whole.set(folder, identity);
    return true;
  }

  async #make(folder: string, write: (folder: string) => Promise<void>): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const temporary = await mkdtemp(`${folder}${UNFINISHED}`);
    try {
      await write(temporary);
      const summary: Summary = {};
      for (const name of await readdir(temporary)) summary[name] = await summarise(join(temporary, name));
      await writeFile(join(temporary, SUMMARY), JSON.stringify(summary));
      // Another process that was faster may be using its entry already, which is the same.
      if (await this.#isWhole(folder)) {
        await rm(temporary, { recursive: true, force: true });
        return;
      }
      await rm(folder, { recursive: true, force: true });
      await rename(temporary, folder);
      const identity = await identityOf(folder, Object.keys(summary));
      if (identity !== undefined) this.#whole.set(folder, identity);
    } catch (error) {
      await remove(temporary);
      throw error;
    }
  }

  /** Removes the longest unused, but for the newest, until the rest is small enough, and what processes that died left. */
  async #evict(newest: string): Promise<void> {
    const entries: { path: string; used: number; bytes: number }[] = [];
    for (const name of await readdir(this.folder)) {
      const path = join(this.folder, name);
      if (UNFINISHED_ENTRY.test(name)) {
        if (Date.now() - (await lastUse(path)) > ABANDONED_AFTER) await remove(path);
        continue;
      }
      const summary = ENTRY.test(name) ? await readSummary(path) : undefined;
      if (!summary) continue;
      const bytes = Object.values(summary).reduce((sum, file) => sum + file.bytes, 0);
      const used = name === newest ? Number.POSITIVE_INFINITY : await lastUse(join(path, SUMMARY));
      entries.push({ path, used, bytes });
    }
    let total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { path, used, bytes } of entries.sort((a, b) => a.used - b.used)) {
      if (total <= this.#limit || used === Number.POSITIVE_INFINITY) return;
      this.#whole.delete(path);
      await remove(path);
      total -= bytes;
    }
  }
}

/** Others may be at the same folder: what is gone, or cannot be removed, is left to them. */
const remove = (path: string) => rm(path, { recursive: true, force: true }).catch(() => {});

const digestOf = (values: NodeJS.ArrayBufferView): Buffer => createHash('sha256').update(values).digest();

/** Another one where a file was written to or replaced. Nothing where one is gone. */
const identityOf = (folder: string, names: readonly string[]): Promise<string | undefined> =>
  Promise.all(names.map((name) => stat(join(folder, name)))).then(
    (files) => files.map(({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`).join(),
    () => undefined,
  );

/** In milliseconds; now for what is gone. */
const lastUse = (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => Date.now(),
  );

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** @returns undefined for what no entry says */
async function readSummary(folder: string): Promise<Summary | undefined> {
  try {
    const summary = JSON.parse(await readFile(join(folder, SUMMARY), 'utf8')) as Summary;
    const files = Object.values(summary);
    return files.length > 0 && files.every((file) => isSize(file.bytes) && isSize(file.crc32)) ? summary : undefined;
  } catch {
    return undefined;
  }
}

async function summarise(file: string): Promise<Summary[string]> {
  const handle = await open(file);
  try {
    const buffer = Buffer.allocUnsafe(2 ** 22);
    const summary = { bytes: 0, crc32: 0 };
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return summary;
      summary.bytes += bytesRead;
      summary.crc32 = crc32(buffer.subarray(0, bytesRead), summary.crc32);
    }
  } finally {
    await handle.close();
  }
}
