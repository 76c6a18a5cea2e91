import { OutputError } from './errors.js';

/** A file that grows at its end. What was appended can be read back at once, and survives the end of the program after `sync`. */
export interface AppendFile {
  /** For messages: its path or name. */
  readonly label: string;
  /** Bytes. */
  readonly size: number;
  /**
   * Appends, all or nothing: after an error the file is as it was.
   * @returns where the bytes begin
   */
  append(bytes: Uint8Array): Promise<number>;
  /** Bytes from `offset` on, fewer at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Cuts the file to a length in bytes. */
  truncate(size: number): Promise<void>;
  /** Waits until the bytes would survive a loss of power. */
  sync(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Where a session is kept: a project file and what belongs to it, on disk (Node), in OPFS (browser) or in memory.
 * Every method throws `OutputError`, as those of `OutputFolder` do.
 */
export interface ProjectStorage {
  /** For messages: the project file's path or name. */
  readonly label: string;
  /**
   * Keeps other writers away.
   * @returns a function that lets them in again
   * @throws OutputError `busy` while somebody else writes
   */
  lock(): Promise<() => Promise<void>>;
  /** Opens the project file (`''`), or a file beside it, and creates it where there is none. */
  open(name: string): Promise<AppendFile>;
  /** Names of the files beside the project file, sorted. */
  list(): Promise<string[]>;
  /** Removes a file beside the project file. */
  remove(name: string): Promise<void>;
}

/** A project in memory: for sessions that nobody keeps, and for tests. Its content outlives the sessions over it. */
export class MemoryStorage implements ProjectStorage {
  readonly files = new Map<string, Uint8Array>();
  #locked = false;

  constructor(readonly label = 'memory') {}

  async lock(): Promise<() => Promise<void>> {
    if (this.#locked) throw new OutputError('busy', this.label, 'another session writes to it');
    this.#locked = true;
    return async () => {
      this.#locked = false;
    };
  }

  async open(name: string): Promise<AppendFile> {
    return new MemoryAppendFile(name || this.label, name, this.files);
  }

  async list(): Promise<string[]> {
    return [...this.files.keys()].filter((name) => name !== '').sort();
  }

  async remove(name: string): Promise<void> {
    this.files.delete(name);
  }

  /** Bytes of all files. */
  get bytes(): number {
    return [...this.files.values()].reduce((sum, { length }) => sum + length, 0);
  }
}

/** Appends in chunks, so that growing costs no more than what is added. */
export class MemoryAppendFile implements AppendFile {
  #buffer: Uint8Array;
  #size: number;

  constructor(
    readonly label: string,
    private readonly name: string,
    private readonly files: Map<string, Uint8Array>,
  ) {
    const stored = files.get(name) ?? new Uint8Array();
    this.#buffer = stored.byteOffset === 0 ? stored : stored.slice();
    this.#size = this.#buffer.length;
    this.#publish();
  }

  get size(): number {
    return this.#size;
  }

  async append(bytes: Uint8Array): Promise<number> {
    const offset = this.#size;
    if (offset + bytes.length > this.#buffer.buffer.byteLength) {
      const larger = new Uint8Array(Math.max(offset + bytes.length, 2 * offset, 4096));
      larger.set(this.#buffer.subarray(0, offset));
      this.#buffer = larger;
    } else {
      this.#buffer = new Uint8Array(this.#buffer.buffer);
    }
    this.#buffer.set(bytes, offset);
    this.#size = offset + bytes.length;
    this.#publish();
    return offset;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.#buffer.slice(offset, Math.min(offset + length, this.#size));
  }

  async truncate(size: number): Promise<void> {
    this.#size = Math.min(size, this.#size);
    this.#publish();
  }

  async sync(): Promise<void> {}

  async close(): Promise<void> {}

  #publish(): void {
    this.files.set(this.name, this.#buffer.subarray(0, this.#size));
  }
}
