import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { TuningError } from '../error.js';
import { loadUsable, type TuningStore } from '../store.js';
import { type AdapterIdentity, TuningTable, tableName } from '../table.js';

/** `$XDG_CACHE_HOME/samtrack/tuning`, or `~/.cache/samtrack/tuning`. */
const defaultFolder = (): string =>
  join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'samtrack', 'tuning');

/** The last save of each file: within a process they go one after the other, so that none undoes another. */
const saves = new Map<string, Promise<void>>();
let temporaryFiles = 0;

/**
 * Tables as JSON files. A file is always whole: it is written beside and renamed. Two processes that save at the same
 * moment both succeed, but what one of them added may be missing.
 */
export class FileTuningStore implements TuningStore {
  /** @param folder `samtrack/tuning` in the user's cache folder by default. */
  constructor(readonly folder = defaultFolder()) {}

  /** The file of an adapter. */
  file(adapter: AdapterIdentity): string {
    return join(this.folder, `${tableName(adapter)}.json`);
  }

  async load(adapter: AdapterIdentity): Promise<TuningTable | undefined> {
    const file = this.file(adapter);
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new TuningError('unreadable', `${file} cannot be read: ${(cause as Error).message}`, { cause });
    }
    return TuningTable.parse(text, adapter, file);
  }

  async save(table: TuningTable): Promise<void> {
    const file = this.file(table.adapter);
    const save = (saves.get(file) ?? Promise.resolve()).catch(() => {}).then(() => this.#write(file, table));
    saves.set(file, save);
    await save;
  }

  async #write(file: string, table: TuningTable): Promise<void> {
    const merged = (await loadUsable(this, table.adapter)) ?? new TuningTable(table.adapter);
    merged.merge(table);
    const temporary = `${file}.${process.pid}.${temporaryFiles++}.tmp`;
    try {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(temporary, merged.serialise());
      await rename(temporary, file);
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => {});
      throw new TuningError('unwritable', `${file} cannot be written: ${(cause as Error).message}`, { cause });
    }
  }
}

/** Where tables of measurements are kept on this platform. */
export const tuningStore = (): TuningStore => new FileTuningStore();
