import { bytesDigest } from './content-digest.js';
import { OutputError } from './errors.js';
import type { OutputFile, OutputFolder } from './output-folder.js';
import type { AppendFile } from './project-storage.js';
import type { RunInput } from './run-inputs.js';

/** What a folder's record says: what a run was, in `description`, and what was made. */
interface StoredRecord {
  format: 'samtrack-run';
  version: number;
  /** Digests of files by path. */
  files?: Record<string, string>;
  [description: string]: unknown;
}

/** Options of `OwnedFolder.claim`. */
export interface ClaimOptions {
  /** What the run reads. */
  inputs?: readonly RunInput[] | undefined;
  /**
   * What it will make: files, and folders with `/` at their end (`./` is the folder itself). Whether it may is known before anything is
   * written.
   */
  makes?: readonly string[] | undefined;
  /** The record's file; default `run.json`. */
  record?: string | undefined;
}

/** The record of folders in which single files are made that a user has named. */
export const HIDDEN_RECORD = '.samtrack.json';
/** What was made since the record was written last; a run that ends removes it. */
const journalOf = (record: string): string => `.${record.replace(/^\./, '')}l`;
const VERSION = 2;

/** The folder that a path with `/` at its end means, as `OutputFolder` wants it. */
const innerFolder = (path: string): string => (path === './' ? '' : path.slice(0, -1));

const encode = (value: unknown) => new TextEncoder().encode(`${JSON.stringify(value)}\n`);

/**
 * A folder in which only what samtrack made is ever replaced or removed, and nothing that the run reads.
 *
 * What it makes is listed with its digest before it gets its name: in a journal while the run goes on, in the record (`run.json`) afterwards.
 * A file is samtrack's own if it is listed and still holds what was listed; all others are foreign, also one that was
 * edited since. One run at a time has the folder.
 */
export class OwnedFolder implements OutputFolder {
  readonly token: string;
  #journal: AppendFile | undefined;
  #described = false;
  #released = false;

  private constructor(
    private readonly folder: OutputFolder,
    private readonly recordPath: string,
    private readonly check: (path: string) => Promise<void>,
    private readonly unlock: () => Promise<void>,
    /** What an earlier run wrote about itself; undefined without one. */
    readonly before: Readonly<Record<string, unknown>> | undefined,
    private readonly listed: Map<string, Set<string>>,
    private readonly tokens: ReadonlySet<string>,
    private description: Readonly<Record<string, unknown>>,
  ) {
    this.token = folder.token;
  }

  /**
   * Takes a folder. Nothing is written but a lock, and not even that where the run would touch one of its inputs.
   * @throws OutputError `input`, `busy`, `foreign` where the record is not samtrack's
   */
  static async claim(
    folder: OutputFolder,
    { inputs = [], makes = [], record = 'run.json' }: ClaimOptions = {},
  ): Promise<OwnedFolder> {
    const check = await folder.guard(inputs);
    for (const path of [record, ...makes]) {
      await check(path);
      if (path.endsWith('/')) for (const name of await folder.list(innerFolder(path))) await check(`${path}${name}`);
    }
    const unlock = await folder.lock();
    try {
      const before = await readRecord(folder, record);
      const listed = new Map<string, Set<string>>();
      for (const [path, digest] of Object.entries(before?.files ?? {})) listed.set(path, new Set([digest]));
      const tokens = await readJournal(folder, record, listed);
      const { format: _, version: __, files: ___, ...description } = before ?? {};
      return new OwnedFolder(folder, record, check, unlock, before && description, listed, tokens, description);
    } catch (error) {
      await unlock();
      throw error;
    }
  }

  /**
   * Whether a run may take a folder and write to it, before there is anything to write: what is there is looked at, and left as it is.
   * @param look throws where what is there is in the way; not called where there is nothing
   * @throws OutputError as `claim`, and what `look` throws
   */
  static async check(
    folder: OutputFolder,
    claim: ClaimOptions,
    look: (owned: OwnedFolder) => Promise<unknown>,
  ): Promise<void> {
    const { inputs = [], makes = [] } = claim;
    const folders = new Set(['', ...makes.filter((path) => path.endsWith('/')).map(innerFolder)]);
    let isEmpty = true;
    for (const inner of folders) if ((await folder.list(inner)).length > 0) isEmpty = false;
    if (isEmpty) {
      const check = await folder.guard(inputs);
      for (const path of makes) await check(path);
      await folder.checkWritable?.();
      return;
    }
    const owned = await OwnedFolder.claim(folder, claim);
    await look(owned).finally(() => owned.release());
  }

  get label(): string {
    return this.folder.label;
  }

  /** Paths of what samtrack made here and is still there unchanged, ascending. */
  async owned(): Promise<string[]> {
    const paths: string[] = [];
    for (const path of [...this.listed.keys()].sort()) if (await this.owns(path)) paths.push(path);
    return paths;
  }

  /** Whether samtrack made a file, and it is still as it was made. */
  async owns(path: string): Promise<boolean> {
    const digest = this.listed.has(path) ? await this.folder.digest(path) : undefined;
    return typeof digest === 'string' && this.listed.get(path)!.has(digest);
  }

  /** Whether samtrack once made a file of this path. */
  lists(path: string): boolean {
    return this.listed.has(path);
  }

  /** Refuses paths at which there is something foreign. Throws `OutputError` (`foreign`). */
  async refuseForeign(paths: Iterable<string>): Promise<void> {
    for (const path of paths) {
      const digest = await this.folder.digest(path);
      if (digest === undefined || (digest !== null && this.listed.get(path)?.has(digest))) continue;
      const why = this.listed.has(path)
        ? 'was changed since samtrack made it'
        : this.before || this.listed.size > 0
          ? 'was not made by samtrack'
          : 'was not made by samtrack as far as is known here';
      throw new OutputError(
        'foreign',
        `${this.label}/${path}`,
        `${why}, and is left alone; move it away, or choose another folder for the results`,
      );
    }
  }

  /**
   * Refuses to go on where what will be made would replace something foreign; foreign files of other names may stand beside it.
   * @param makes as in `ClaimOptions`
   * @param frameNames PNGs in the folders get these names; any, where they are not known
   */
  async refuseForeignIn(makes: readonly string[], frameNames: readonly string[] | undefined): Promise<void> {
    const names = frameNames && new Set(frameNames.map((name) => `${name}.png`));
    for (const path of makes) {
      if (!path.endsWith('/')) {
        await this.refuseForeign([path]);
        continue;
      }
      const there = await this.folder.list(innerFolder(path));
      const taken = there.filter((name) => name.endsWith('.png') && (!names || names.has(name)));
      await this.refuseForeign(taken.map((name) => (path === './' ? name : `${path}${name}`)));
    }
  }

  async writeFile(path: string, data: Uint8Array | string): Promise<void> {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    await this.#mayChange(path);
    const digest = await bytesDigest(bytes);
    await this.#enter(path, digest);
    await this.folder.writeFile(path, bytes);
    this.listed.set(path, new Set([digest]));
  }

  async createFile(path: string): Promise<OutputFile> {
    await this.#mayChange(path);
    // Unfinished files are known by the token that the journal begins with.
    await this.#open();
    const file = await this.folder.createFile(path);
    return {
      write: (data, position) => file.write(data, position),
      commit: async () => {
        let made: string | undefined;
        await file.commit(async (digest) => {
          await this.#mayChange(path);
          await this.#enter(path, (made = digest));
        });
        if (made !== undefined) this.listed.set(path, new Set([made]));
      },
      discard: () => file.discard(),
    };
  }

  /** Removes a file, if there is one. */
  async remove(path: string): Promise<void> {
    await this.#mayChange(path);
    await this.folder.remove(path);
    this.listed.delete(path);
  }

  /** Removes what samtrack made in a folder, and leaves the rest. */
  async clear(folder: string): Promise<void> {
    for (const path of [...this.listed.keys()]) {
      if (path.startsWith(`${folder}/`) && (await this.owns(path))) await this.remove(path);
    }
  }

  /** Removes what killed runs left half-written, wherever they were writing. */
  async removeUnfinished(): Promise<void> {
    const folders = new Set([
      '',
      ...[...this.listed.keys()].map((path) => path.slice(0, Math.max(0, path.lastIndexOf('/')))),
    ]);
    for (const folder of folders) await this.folder.removeUnfinished(folder, this.tokens);
  }

  readFile(path: string): Promise<Uint8Array | undefined> {
    return this.folder.readFile(path);
  }

  digest(path: string): Promise<string | undefined | null> {
    return this.folder.digest(path);
  }

  list(folder: string): Promise<string[]> {
    return this.folder.list(folder);
  }

  openAppend(path: string): Promise<AppendFile> {
    return this.folder.openAppend(path);
  }

  lock(): Promise<() => Promise<void>> {
    return this.folder.lock();
  }

  guard(inputs: readonly RunInput[]): Promise<(path: string) => Promise<void>> {
    return this.folder.guard(inputs);
  }

  /** Says in the record what the run is, with all that is listed so far. */
  async describe(description: Readonly<Record<string, unknown>>): Promise<void> {
    await this.check(this.recordPath);
    this.description = description;
    this.#described = true;
    await this.folder.writeFile(this.recordPath, this.#recordText());
  }

  /** Moves the journal into the record and gives the folder back. Idempotent. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    try {
      if (!this.#journal && !this.#described) return;
      await this.#settle();
      await this.check(this.recordPath);
      await this.folder.writeFile(this.recordPath, this.#recordText());
      await this.#journal?.close();
      await this.folder.remove(journalOf(this.recordPath));
    } finally {
      await this.#journal?.close();
      await this.unlock();
    }
  }

  #recordText(): string {
    const files = Object.fromEntries([...this.listed].sort().map(([path, digests]) => [path, [...digests].at(-1)!]));
    const record: StoredRecord = { format: 'samtrack-run', version: VERSION, ...this.description, files };
    return `${JSON.stringify(record, null, 2)}\n`;
  }

  async #mayChange(path: string): Promise<void> {
    await this.check(path);
    await this.refuseForeign([path]);
  }

  async #open(): Promise<AppendFile> {
    if (!this.#journal) {
      const path = journalOf(this.recordPath);
      await this.check(path);
      this.#journal = await this.folder.openAppend(path);
      await this.#journal.truncate(endOfLines(await this.#journal.read(0, this.#journal.size)));
      await this.#journal.append(encode({ token: this.token }));
    }
    return this.#journal;
  }

  async #enter(path: string, digest: string): Promise<void> {
    const journal = await this.#open();
    await journal.append(encode({ path, digest }));
    await journal.sync();
    this.listed.set(path, new Set([...(this.listed.get(path) ?? []), digest]));
  }

  /** Where a run was killed between listing a file and naming it, keeps what is there. */
  async #settle(): Promise<void> {
    for (const [path, digests] of this.listed) {
      if (digests.size < 2) continue;
      const digest = await this.folder.digest(path);
      if (digest && digests.has(digest)) this.listed.set(path, new Set([digest]));
      else this.listed.delete(path);
    }
  }
}

const endOfLines = (bytes: Uint8Array) => bytes.lastIndexOf(10) + 1;

async function readRecord(folder: OutputFolder, path: string): Promise<StoredRecord | undefined> {
  const bytes = await folder.readFile(path);
  if (!bytes) return undefined;
  try {
    const record = JSON.parse(new TextDecoder().decode(bytes)) as StoredRecord | null;
    if (record?.format === 'samtrack-run') return record;
  } catch {
    // As any other file.
  }
  throw new OutputError(
    'foreign',
    `${folder.label}/${path}`,
    'is no record of samtrack, and is left alone; choose another folder for the results',
  );
}

/** Adds what the journal of a run that was killed lists. @returns the tokens of its unfinished files */
async function readJournal(
  folder: OutputFolder,
  record: string,
  listed: Map<string, Set<string>>,
): Promise<Set<string>> {
  const tokens = new Set<string>();
  const bytes = (await folder.readFile(journalOf(record))) ?? new Uint8Array();
  const text = new TextDecoder().decode(bytes.subarray(0, endOfLines(bytes)));
  for (const line of text.split('\n').filter(Boolean)) {
    let entry: { token?: string; path?: string; digest?: string };
    try {
      entry = JSON.parse(line);
    } catch {
      continue;
    }
    if (entry.token) tokens.add(entry.token);
    if (!entry.path || !entry.digest) continue;
    const digests = listed.get(entry.path) ?? new Set();
    listed.set(entry.path, digests.add(entry.digest));
  }
  return tokens;
}
