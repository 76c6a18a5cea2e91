import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { writeChunk, writeLatest, writeStoredFile } from '../ledger/chunk.js';
import type { Chunk, StoredFile } from '../ledger/entries.js';
import type { Storage } from '../storage/storage.js';

/** Larger files than this are stored only when the job is done. */
const ARCHIVED_BYTES = 4 << 20;

/** Where samtrack notes the files that it is making (`.run.jsonl`): hidden, but a later run needs it to know them for its own. */
const JOURNAL = /(^|\/)\.[^/]*\.jsonl$/;

const isHidden = (name: string) => name.split('/').some((part) => part.startsWith('.'));

/** The local folder of a job's results, and what of it has been stored. */
export class ResultsFolder {
  /** Size and time of each file when it was stored. */
  private readonly stored = new Map<string, string>();

  constructor(
    readonly path: string,
    private readonly storage: Storage,
    private readonly key: string,
    private readonly keeps: (name: string) => boolean = () => true,
    private readonly replaces: (name: string) => boolean = () => false,
  ) {}

  /** Takes the files that are in the folder now for stored. */
  async restored(): Promise<void> {
    for (const name of await this.names()) this.stored.set(name, await stampOf(join(this.path, name)));
  }

  /**
   * Stores what has changed since the last time and is of use to a later run, as one archive.
   * @param open a file that may be being written: it has its turn the next time
   */
  async commit(open?: string): Promise<Chunk | undefined> {
    return this.archive(
      await this.changes(
        (name, size) => name !== open && size <= ARCHIVED_BYTES && this.keeps(name) && !this.replaces(name),
      ),
    );
  }

  /**
   * Stores the files of which the latest state counts, where that has changed.
   * @param before what is stored of them
   * @param claim whose they are
   */
  async commitLatest(before: readonly StoredFile[], claim: number): Promise<StoredFile[]> {
    const changes = await this.changes((name) => this.replaces(name));
    const files: StoredFile[] = [];
    for (const name of (await this.names()).filter((name) => this.replaces(name))) {
      const stamp = changes.get(name);
      const stored = before.find(({ path }) => path === name);
      if (stored && !stamp) files.push(stored);
      else files.push(await writeLatest(this.storage, this.key, name, join(this.path, name), claim));
      if (stamp) this.stored.set(name, stamp);
    }
    return files;
  }

  /** Stores what has changed since the last time: PNGs as one archive, everything else by itself. */
  async finish(): Promise<{ chunk: Chunk | undefined; files: StoredFile[] }> {
    const isMask = (name: string) => name.endsWith('.png');
    const masks = await this.changes(isMask);
    const files: StoredFile[] = [];
    for (const name of (await this.names()).filter((name) => !isMask(name) && !isHidden(name))) {
      const file = join(this.path, name);
      files.push(await writeStoredFile(this.storage, this.key, name, file, (await stat(file)).size));
    }
    return { chunk: await this.archive(masks), files };
  }

  private async archive(changes: ReadonlyMap<string, string>): Promise<Chunk | undefined> {
    if (changes.size === 0) return undefined;
    const files = new Map<string, Uint8Array>();
    for (const name of changes.keys()) files.set(name, await readFile(join(this.path, name)));
    const chunk = await writeChunk(this.storage, this.key, files);
    for (const [name, stamp] of changes) this.stored.set(name, stamp);
    return chunk;
  }

  private async changes(wanted: (name: string, size: number) => boolean): Promise<Map<string, string>> {
    const changes = new Map<string, string>();
    for (const name of await this.names()) {
      const file = join(this.path, name);
      if (!wanted(name, (await stat(file)).size)) continue;
      const stamp = await stampOf(file);
      if (this.stored.get(name) !== stamp) changes.set(name, stamp);
    }
    return changes;
  }

  /** Files of the folder, and journals; other hidden ones are not finished, or locks. */
  private async names(): Promise<string[]> {
    const entries = await readdir(this.path, { withFileTypes: true, recursive: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => relative(this.path, join(entry.parentPath, entry.name)).split(sep).join('/'))
      .filter((name) => !isHidden(name.replace(JOURNAL, '')))
      .sort();
  }
}

async function stampOf(file: string): Promise<string> {
  const { size, mtimeNs, ino } = await stat(file, { bigint: true });
  return `${size} ${mtimeNs} ${ino}`;
}
